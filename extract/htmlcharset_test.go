package extract

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

const (
	german = "Die Prüfung der Geräte beginnt am Dienstag, größere Störungen sind nicht zu erwarten, und die Bücher werden danach zurückgegeben. Öffnen Sie bitte die Tür für die Prüfer, die früh kommen."
	polish = "Żółta łódź płynęła wzdłuż rzeki, a wszyscy mieszkańcy wioski wyszli na brzeg, żeby ją zobaczyć i pożegnać. Następnego dnia nikt już o niej nie pamiętał, choć była piękna."
	russia = "Проверка приборов начнётся во вторник, и после неё все книги будут возвращены на свои места. Откройте, пожалуйста, дверь для тех, кто придёт раньше других."
	greek  = "Ο έλεγχος των συσκευών αρχίζει την Τρίτη και μετά από αυτόν όλα τα βιβλία θα επιστραφούν στη θέση τους. Ανοίξτε παρακαλώ την πόρτα."
	japan  = "機器の検査は火曜日に始まります。その後、すべての本は元の場所に戻されます。早く来る人のためにドアを開けてください。"
	china  = "设备检查将于星期二开始，之后所有的书都会放回原处。请为早到的人打开门。"
	korea  = "장비 점검은 화요일에 시작되며 그 후 모든 책은 제자리로 돌아갑니다. 일찍 오는 사람들을 위해 문을 열어 주세요."
	arabic = "يبدأ فحص الأجهزة يوم الثلاثاء وبعد ذلك تعود جميع الكتب إلى أماكنها. يرجى فتح الباب لمن يأتي مبكرا."
)

func TestHTMLCharset(t *testing.T) {
	late := "<!--" + strings.Repeat(" long before the first letter ", 200) + "-->"
	utf16 := func(e unicode.Endianness, b unicode.BOMPolicy) encoding.Encoding { return unicode.UTF16(e, b) }
	for _, tt := range []struct {
		name     string
		enc      encoding.Encoding // nil is UTF-8
		head     string            // what stands before the text, in enc too
		text     string
		explicit string
		warns    bool
	}{
		{"UTF-8 with nothing said", nil, "", german, "", false},
		{"UTF-8 with a mark", nil, "\uFEFF", russia, "", false},
		{"UTF-8 that says so late", nil, late + "<meta charset=utf-8>", german, "", false},
		{"UTF-8 that says Latin-1", nil, "<meta charset=iso-8859-1>", polish, "", false},
		{"UTF-8 against a wrong explicit name is what the user says", nil, "", "plain", "windows-1252", false},
		{"windows-1252 by meta", charmap.Windows1252, "<meta charset=windows-1252>", german + " € „“", "", false},
		{"Latin-1 is windows-1252", charmap.Windows1252, "<meta charset=ISO-8859-1>", "€ and ü", "", false},
		{"by http-equiv", charmap.ISO8859_2, `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">`, polish, "", false},
		{"by meta far down the head", charmap.Windows1251, "<head>" + late + "<META CHARSET='windows-1251'>", russia, "", false},
		{"not by a meta in the body", charmap.Windows1252, "<body><meta charset=windows-1251>", german, "", true},
		{"not by a meta in a comment", charmap.Windows1252, "<head><!-- <meta charset=windows-1251> -->", german, "", true},
		{"not by a meta in a script", charmap.Windows1252, "<head><script>'<meta charset=windows-1251>'</script>", german, "", true},
		{"by the XML declaration", charmap.ISO8859_2, `<?xml version="1.0" encoding="ISO-8859-2"?>`, polish, "", false},
		{"Shift_JIS", japanese.ShiftJIS, "<meta charset=Shift_JIS>", japan, "", false},
		{"x-sjis", japanese.ShiftJIS, "<meta charset=x-sjis>", japan, "", false},
		{"ISO-2022-JP, whose bytes are ASCII", japanese.ISO2022JP, "<meta charset=iso-2022-jp>", japan, "", false},
		{"EUC-KR", korean.EUCKR, "<meta charset=ks_c_5601-1987>", korea, "", false},
		{"gb2312", simplifiedchinese.GBK, "<meta charset=gb2312>", china, "", false},
		{"UTF-16LE with a mark", utf16(unicode.LittleEndian, unicode.UseBOM), "", polish, "", false},
		{"UTF-16BE with a mark that says utf-8", utf16(unicode.BigEndian, unicode.UseBOM), "<meta charset=utf-8>", greek, "", false},
		{"UTF-16LE without a mark", utf16(unicode.LittleEndian, unicode.IgnoreBOM), "<html><head><title>a title</title></head>\n<body>\n", german, "", false},
		{"UTF-16BE without a mark", utf16(unicode.BigEndian, unicode.IgnoreBOM), "<html><head><title>a title</title></head>\n<body>\n", german, "", false},
		{"explicit", charmap.Windows1253, "", greek, "windows-1253", false},
		{"explicit against meta", charmap.Windows1253, "<meta charset=windows-1251>", greek, "windows-1253", false},
		{"explicit UTF-16LE", utf16(unicode.LittleEndian, unicode.IgnoreBOM), "", china, "utf-16le", false},
		{"explicit UTF-16 with a mark", utf16(unicode.BigEndian, unicode.UseBOM), "", china, "utf-16", false},
		{"auto", nil, "", german, "auto", false},
		{"guessed Cyrillic", charmap.Windows1251, "", russia, "", true},
		{"guessed Greek", charmap.ISO8859_7, "", greek, "", true},
		{"guessed Shift_JIS", japanese.ShiftJIS, "", japan, "", true},
		{"guessed German", charmap.Windows1252, "", german, "", true},
		{"guessed among much markup", charmap.Windows1251, strings.Repeat("<div class=content><span>", 100), russia, "", true},
		{"said UTF-8, is Arabic", charmap.Windows1256, "<meta charset=utf-8>", arabic, "", true},
		{"said a name that nobody knows", charmap.Windows1252, "<meta charset=klingon>", german, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := tt.head + "<p>" + tt.text + "</p>"
			if tt.enc != nil {
				var err error
				if src, err = tt.enc.NewEncoder().String(src); err != nil {
					t.Fatal(err)
				}
			}
			var told []string
			doc, err := page(t, src, Options{HTML: HTMLOptions{Encoding: tt.explicit}, Warn: func(_ Place, s string) { told = append(told, s) }})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(doc.Body, tt.text) {
				t.Errorf("Body = %q, want %q", doc.Body, tt.text)
			}
			if (len(doc.Warnings) > 0) != tt.warns || len(told) != len(doc.Warnings) {
				t.Errorf("Warnings = %q, told %q, want some: %v", doc.Warnings, told, tt.warns)
			}
		})
	}
}

// TestStrayBytes holds UTF-8 to UTF-8 when a few of its bytes are not.
func TestStrayBytes(t *testing.T) {
	for _, tt := range []struct{ name, html, want string }{
		{"said", "<meta charset=utf-8><p>für \xE9 größer, Bücher, Öl", "für é größer, Bücher, Öl"},
		{"not said", "<p>" + strings.Repeat("ü", 30) + "\x96", strings.Repeat("ü", 30) + "–"},
		{"said another", "<meta charset=iso-8859-1><p>" + strings.Repeat("ü", 30) + "\x96", strings.Repeat("ü", 30) + "–"},
		{"said UTF-16, which it cannot be", "<meta charset=utf-16><p>für \xE9 größer, Bücher", "für é größer, Bücher"},
		{"explicit", "<p>ü \x80", "ü €"},
	} {
		opt := Options{}
		if tt.name == "explicit" {
			opt.HTML.Encoding = "utf-8"
		}
		doc := mustPage(t, tt.html, opt)
		if doc.Body != tt.want || len(doc.Warnings) != 1 {
			t.Errorf("%s: Body = %q, warnings %q, want %q and a warning", tt.name, doc.Body, doc.Warnings, tt.want)
		}
	}
	if _, err := page(t, "\xFF\xFE<\x00p\x00>\x00a\x00b", Options{}); err == nil || !strings.Contains(err.Error(), "inside a character") {
		t.Errorf("UTF-16 with half a character at its end: error = %v, want one that says so", err)
	}
}

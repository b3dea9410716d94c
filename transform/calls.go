package transform

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
)

// argText is a text argument; an absent one is empty.
func argText(x any) (string, error) {
	switch x := x.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	case cell:
		return x.text, nil
	}
	return "", &fault{reason: ReasonExpression, value: fmt.Sprint(x), col: noColumn, detail: fmt.Sprintf("gives %v where text is needed", x), remedy: "use string(value)"}
}

func argCell(x any) (cell, error) {
	switch x := x.(type) {
	case nil:
		return cell{col: noColumn}, nil
	case cell:
		return x, nil
	case string:
		return cell{text: x, col: noColumn}, nil
	case int:
		return cell{text: strconv.Itoa(x), typed: int64(x), col: noColumn}, nil
	case int64:
		return cell{text: strconv.FormatInt(x, 10), typed: x, col: noColumn}, nil
	case float64:
		return cell{text: strconv.FormatFloat(x, 'f', -1, 64), typed: x, col: noColumn}, nil
	case bool:
		return cell{text: strconv.FormatBool(x), typed: x, col: noColumn}, nil
	}
	return cell{}, &fault{reason: ReasonExpression, value: fmt.Sprint(x), col: noColumn, detail: "gives a list where a single value is needed"}
}

// ifPresent gives nil, which is absent, for what is not present.
func ifPresent[T any](v T, present bool, err error) (any, error) {
	if err != nil || !present {
		return nil, err
	}
	return v, nil
}

func callInt(_ *frame, args []any) (any, error) {
	c, err := argCell(args[0])
	if err != nil {
		return nil, err
	}
	n, present, err := intFrom(c)
	return ifPresent(int(n), present, err)
}

func callFloat(_ *frame, args []any) (any, error) {
	c, err := argCell(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 2 {
		f, present, err := decimalFrom(c, args[1].(string))
		return ifPresent(f, present, err)
	}
	f, present, err := floatFrom(c)
	return ifPresent(f, present, err)
}

func decimalFrom(c cell, sign string) (f float64, present bool, err error) {
	if c.typed != nil {
		return floatFrom(c)
	}
	if isBlank(c.text) {
		return 0, false, nil
	}
	f, ok := parseDecimal(c.text, sign)
	if !ok {
		return 0, false, notA(c.text, c.col, "a number with "+strconv.Quote(sign)+" as its decimal sign")
	}
	return f, true, nil
}

func callBool(_ *frame, args []any) (any, error) {
	c, err := argCell(args[0])
	if err != nil {
		return nil, err
	}
	b, present, err := boolFrom(c)
	return ifPresent(b, present, err)
}

func callDateTime(e *frame, args []any) (any, error) {
	if t, ok := args[0].(time.Time); ok {
		return t, nil
	}
	c, err := argCell(args[0])
	if err != nil {
		return nil, err
	}
	loc := e.loc
	if len(args) == 2 {
		loc = args[1].(*time.Location)
	}
	t, present, err := timeFrom(c, loc)
	return ifPresent(t, present, err)
}

func callDate(e *frame, args []any) (any, error) {
	if t, ok := args[0].(time.Time); ok {
		return t, nil
	}
	c, err := argCell(args[0])
	if err != nil {
		return nil, err
	}
	t, present, err := dateFrom(c, args[1].(*dateSpec), e.loc)
	return ifPresent(t, present, err)
}

func callSplit(_ *frame, args []any) (any, error) {
	s, err := argText(args[0])
	if err != nil {
		return nil, err
	}
	sep, err := argText(args[1])
	if err != nil {
		return nil, err
	}
	return splitText(s, sep), nil
}

// splitText allocates only the list.
func splitText(s, sep string) []string {
	if isBlank(s) {
		return nil
	}
	if sep == "" {
		return []string{trim(s)}
	}
	out := make([]string, 0, strings.Count(s, sep)+1)
	for {
		part, rest, more := strings.Cut(s, sep)
		if part = trim(part); part != "" {
			out = append(out, part)
		}
		if !more {
			return out
		}
		s = rest
	}
}

func callJoin(_ *frame, args []any) (any, error) {
	sep := ""
	if len(args) == 2 {
		s, err := argText(args[1])
		if err != nil {
			return nil, err
		}
		sep = s
	}
	switch list := args[0].(type) {
	case nil:
		return "", nil
	case string:
		return list, nil
	case []string:
		return strings.Join(list, sep), nil
	case []any:
		parts := make([]string, 0, len(list))
		for _, x := range list {
			if x != nil {
				parts = append(parts, textOf(x))
			}
		}
		return strings.Join(parts, sep), nil
	}
	return nil, &fault{reason: ReasonExpression, value: fmt.Sprint(args[0]), col: noColumn, detail: "gives no list for join()"}
}

func textOf(x any) string {
	if f, ok := x.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if t, ok := x.(time.Time); ok {
		return formatTime(t)
	}
	return fmt.Sprint(x)
}

func textCall(f func(string) string) func(*frame, []any) (any, error) {
	return func(_ *frame, args []any) (any, error) {
		s, err := argText(args[0])
		if err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

func callReplace(_ *frame, args []any) (any, error) {
	var parts [3]string
	for i := range parts {
		s, err := argText(args[i])
		if err != nil {
			return nil, err
		}
		parts[i] = s
	}
	return replaceText(parts[0], parts[1], parts[2]), nil
}

// replaceText leaves a text alone when there is nothing to replace; an empty
// old would put new between all characters, and memory has no budget here.
func replaceText(s, old, with string) string {
	if old == "" {
		return s
	}
	return strings.ReplaceAll(s, old, with)
}

func callSubstr(_ *frame, args []any) (any, error) {
	s, err := argText(args[0])
	if err != nil {
		return nil, err
	}
	runes := []rune(s)
	start, err := argIndex(args[1])
	if err != nil {
		return nil, err
	}
	if start < 0 {
		start += len(runes)
	}
	start = min(max(start, 0), len(runes))
	end := len(runes)
	if len(args) == 3 {
		n, err := argIndex(args[2])
		if err != nil {
			return nil, err
		}
		end = start + min(max(n, 0), end-start)
	}
	return string(runes[start:end]), nil
}

func argIndex(x any) (int, error) {
	switch n := x.(type) {
	case int:
		return n, nil
	case int64:
		return int(n), nil
	case float64:
		if n == float64(int(n)) {
			return int(n), nil
		}
	}
	return 0, &fault{reason: ReasonExpression, value: fmt.Sprint(x), col: noColumn, detail: "gives " + fmt.Sprint(x) + " where a whole number is needed"}
}

func callDefault(_ *frame, args []any) (any, error) {
	if isAbsent(args[0]) {
		return args[1], nil
	}
	return args[0], nil
}

// isAbsent tells what ?? and default pass over: nothing, blank text, an empty
// list.
func isAbsent(x any) bool {
	switch x := x.(type) {
	case nil:
		return true
	case string:
		return isBlank(x)
	case cell:
		return x.typed == nil && isBlank(x.text)
	case []string:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return false
}

func callMatch(_ *frame, args []any) (any, error) {
	s, err := argText(args[0])
	if err != nil {
		return nil, err
	}
	return args[1].(*regexp.Regexp).MatchString(s), nil
}

func callExtract(_ *frame, args []any) (any, error) {
	s, err := argText(args[0])
	if err != nil {
		return nil, err
	}
	re := args[1].(*regexp.Regexp)
	group := min(1, re.NumSubexp())
	if len(args) == 3 {
		if group, err = argIndex(args[2]); err != nil {
			return nil, err
		}
	}
	if group < 0 || group > re.NumSubexp() {
		return nil, &fault{reason: ReasonExpression, value: strconv.Itoa(group), col: noColumn, detail: fmt.Sprintf("asks for group %d of a pattern with %d", group, re.NumSubexp())}
	}
	m := re.FindStringSubmatchIndex(s)
	if m == nil || m[2*group] < 0 {
		return "", nil
	}
	return s[m[2*group]:m[2*group+1]], nil
}

func callSelect(e *frame, args []any) (any, error) {
	texts, err := e.selectCSS(args[0].(string))
	if err != nil {
		return nil, err
	}
	return strings.Join(texts, " "), nil
}

func callSelectAll(e *frame, args []any) (any, error) {
	texts, err := e.selectCSS(args[0].(string))
	if err != nil {
		return nil, err
	}
	return texts, nil
}

// selectCSS is select on the record's document; a format without elements has
// nothing to select.
func (e *frame) selectCSS(css string) ([]string, error) {
	if e.rec.Doc == nil || e.rec.Doc.Select == nil {
		return nil, nil
	}
	texts, err := e.rec.Doc.Select(css)
	if err != nil {
		return nil, &fault{reason: ReasonExpression, value: css, col: noColumn, detail: "has the selector " + strconv.Quote(css) + ", which cannot be used: " + err.Error()}
	}
	out := texts[:0:0]
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out, nil
}

const hexDigits = "0123456789ABCDEF"

func urlEscape(s string) string  { return escape(s, false) }
func pathEscape(s string) string { return escape(s, true) }

// escape leaves only RFC 3986's unreserved characters, so that the result is
// right in a path and in a query alike.
func escape(s string, slashes bool) string {
	n := 0
	for i := 0; i < len(s); i++ {
		if !unreserved(s[i], slashes) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved(c, slashes) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte, slashes bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '-' || c == '_' || c == '.' || c == '~' || slashes && c == '/'
}

func slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r): // the accent of the letter before
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(unicode.ToLower(r))
		default:
			gap = true
		}
	}
	return b.String()
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// blocks end a line of text.
var blocks = map[string]bool{"p": true, "div": true, "br": true, "li": true, "ul": true, "ol": true, "tr": true, "table": true, "section": true,
	"article": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "blockquote": true, "pre": true, "hr": true, "dt": true, "dd": true}

func stripHTML(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return s
	}
	var b strings.Builder
	skip := ""
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return tidyLines(b.String())
		case html.TextToken:
			if skip == "" {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			if n := string(name); blocks[n] {
				b.WriteByte('\n')
			} else if skip == "" && (n == "script" || n == "style" || n == "template") {
				skip = n
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if n := string(name); n == skip {
				skip = ""
			} else if blocks[n] {
				b.WriteByte('\n')
			} else if n == "td" || n == "th" {
				b.WriteByte(' ')
			}
		case html.SelfClosingTagToken:
			if name, _ := z.TagName(); blocks[string(name)] {
				b.WriteByte('\n')
			}
		}
	}
}

// tidyLines drops empty lines and folds white space within lines.
func tidyLines(s string) string {
	var b strings.Builder
	b.Grow(min(len(s), 1<<16))
	for line := range strings.Lines(s) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Join(words, " "))
	}
	if !utf8.ValidString(b.String()) {
		return clean(b.String())
	}
	return b.String()
}

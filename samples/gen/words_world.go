package main

var polish = voice{
	Language: "pl",
	Topics: map[string]words{
		"printer": {
			[]string{"Drukarka w {room} nie drukuje", "{device}: zacięcie papieru w podajniku {t}"},
			[]string{"Drukarka przyjmuje zadanie, ale nie wychodzi żadna kartka.", "Papier zacina się w podajniku {t}, choć jest nowy.", "Na wydrukach są szare pasy, toner wymieniono wczoraj."},
			[]string{"Wyczyszczono kolejkę wydruku i uruchomiono usługę ponownie.", "Wymieniono rolkę, 50 stron bez zacięcia."},
		},
		"vpn": {
			[]string{"VPN rozłącza się co {n} minut", "Brak połączenia VPN z domu"},
			[]string{"VPN łączy się i rozłącza po {n} minutach.", "{device} zgłasza, że brama nie odpowiada."},
			[]string{"Przełączono na drugą bramę VPN, działa stabilnie.", "Odnowiono certyfikat komputera."},
		},
		"laptop": {
			[]string{"Laptop nie wybudza się", "{device}: bateria trzyma {n} minut"},
			[]string{"Po otwarciu laptopa ekran pozostaje czarny.", "Bateria w {device} wystarcza na {n} minut, a wentylator ciągle pracuje."},
			[]string{"Zaktualizowano BIOS i stację dokującą.", "Baterię wymieniono na gwarancji."},
		},
		"password": {
			[]string{"Reset hasła do {device}", "Konto zablokowane po urlopie"},
			[]string{"Po urlopie nie pamiętam hasła do {device}.", "Konto jest zablokowane, telefon wciąż używa starego hasła."},
			[]string{"Hasło zresetowano, logowanie sprawdzono.", "Usunięto stare hasło z telefonu."},
		},
		"invoice": {
			[]string{"Nie można zaksięgować faktury {i}", "Brak faktury dostawcy w {device}"},
			[]string{"Faktura na 4 820,55 zł czeka na osobę na zwolnieniu.", "{device} pokazuje fakturę jako zapłaconą, a dostawca śle wezwania."},
			[]string{"Fakturę przekazano zastępcy i zaksięgowano.", "Poprawiono kod VAT na fakturze {i}."},
		},
		"email": {
			[]string{"{device} nie wysyła wiadomości", "Pełna skrzynka"},
			[]string{"Wiadomości zostają w skrzynce nadawczej {device}.", "Wspólna skrzynka zniknęła w poniedziałek."},
			[]string{"Utworzono nowy profil Outlooka.", "Włączono archiwum, przeniesiono {n} GB."},
		},
		"network": {
			[]string{"Brak Wi-Fi w {room}", "Bardzo wolna sieć na {t}. piętrze"},
			[]string{"W {room} nikt nie ma Wi-Fi, punkt dostępowy miga na pomarańczowo.", "Kopiowanie pliku {n} MB trwa dziesięć minut."},
			[]string{"Wymieniono punkt dostępowy {device}.", "Wymieniono kabel sieciowy."},
		},
		"access": {
			[]string{"Potrzebny dostęp do {device}", "Utracone uprawnienia po zmianie działu"},
			[]string{"Zmieniłem dział i nie mogę otworzyć {device}.", "Widzę dokumenty innego działu, to chyba błąd."},
			[]string{"Dodano do grupy po zgodzie właściciela.", "Usunięto odziedziczone uprawnienia."},
		},
	},
	Details: []string{"Zaczęło się w poniedziałek.", "Koledzy w {room} mają ten sam problem.", "Uruchomiłem ponownie już dwa razy.", "To pilne, o {h} przychodzi klient.", "Proszę zadzwonić przed wizytą."},
	Rooms:   []string{"pokoju 215", "magazynie", "recepcji", "sali Wisła"},
	Home:    "Baza wiedzy", Symptoms: "Objawy", Solution: "Rozwiązanie", Table: "Urządzenia i wersje", Related: "Zobacz też", Updated: "Ostatni przegląd", Intro: "Ten artykuł jest dla każdego, kto ma ten kłopot, i dla kolegi, który odbiera telefon.",
}

var greek = voice{
	Language: "el",
	Topics: map[string]words{
		"printer": {
			[]string{"Ο εκτυπωτής στην {room} δεν εκτυπώνει", "{device}: εμπλοκή χαρτιού στον δίσκο {t}"},
			[]string{"Ο εκτυπωτής δέχεται την εργασία αλλά δεν βγαίνει σελίδα.", "Το χαρτί μπλοκάρει στον δίσκο {t}, αν και είναι καινούργιο."},
			[]string{"Άδειασε η ουρά εκτύπωσης και έγινε επανεκκίνηση.", "Αλλάχθηκε το ράουλο, 50 σελίδες χωρίς εμπλοκή."},
		},
		"vpn": {
			[]string{"Το VPN πέφτει κάθε {n} λεπτά", "Δεν συνδέεται το VPN από το σπίτι"},
			[]string{"Το VPN συνδέεται και πέφτει μετά από {n} λεπτά.", "Το {device} λέει ότι η πύλη δεν απαντά."},
			[]string{"Μεταφορά στη δεύτερη πύλη VPN.", "Ανανεώθηκε το πιστοποιητικό του υπολογιστή."},
		},
		"laptop": {
			[]string{"Ο φορητός δεν ξυπνά", "{device}: η μπαταρία κρατά {n} λεπτά"},
			[]string{"Η οθόνη του φορητού μένει μαύρη όταν τον ανοίγω.", "Η μπαταρία του {device} αδειάζει σε {n} λεπτά."},
			[]string{"Ενημερώθηκαν το BIOS και η βάση σύνδεσης.", "Η μπαταρία αλλάχθηκε με εγγύηση."},
		},
		"password": {
			[]string{"Επαναφορά κωδικού για {device}", "Κλειδωμένος λογαριασμός μετά τις διακοπές"},
			[]string{"Ξέχασα τον κωδικό για {device} στις διακοπές.", "Ο λογαριασμός κλείδωσε, το κινητό στέλνει τον παλιό κωδικό."},
			[]string{"Έγινε επαναφορά του κωδικού.", "Σβήστηκε ο παλιός κωδικός από το κινητό."},
		},
		"invoice": {
			[]string{"Το τιμολόγιο {i} δεν καταχωρίζεται", "Λείπει τιμολόγιο προμηθευτή στο {device}"},
			[]string{"Το τιμολόγιο των 1.249,90 € περιμένει έγκριση.", "Το {device} δείχνει το τιμολόγιο πληρωμένο, ο προμηθευτής διαφωνεί."},
			[]string{"Το τιμολόγιο προωθήθηκε στον αναπληρωτή.", "Διορθώθηκε ο κωδικός ΦΠΑ."},
		},
		"email": {
			[]string{"Το {device} δεν στέλνει", "Γεμάτο γραμματοκιβώτιο"},
			[]string{"Τα μηνύματα μένουν στα εξερχόμενα.", "Το κοινό γραμματοκιβώτιο χάθηκε από τη Δευτέρα."},
			[]string{"Νέο προφίλ Outlook.", "Ενεργοποιήθηκε το αρχείο, {n} GB."},
		},
		"network": {
			[]string{"Δεν υπάρχει Wi-Fi στην {room}", "Αργό δίκτυο στον {t}ο όροφο"},
			[]string{"Στην {room} κανείς δεν έχει Wi-Fi.", "Η αντιγραφή {n} MB θέλει δέκα λεπτά."},
			[]string{"Αλλάχθηκε το σημείο πρόσβασης {device}.", "Αλλάχθηκε το καλώδιο δικτύου."},
		},
		"access": {
			[]string{"Χρειάζεται πρόσβαση στο {device}", "Χάθηκαν δικαιώματα μετά την αλλαγή τμήματος"},
			[]string{"Άλλαξα τμήμα και δεν ανοίγω το {device}.", "Βλέπω έγγραφα άλλου τμήματος."},
			[]string{"Προστέθηκε στην ομάδα μετά από έγκριση.", "Αφαιρέθηκαν κληρονομημένα δικαιώματα."},
		},
	},
	Details: []string{"Άρχισε τη Δευτέρα.", "Οι συνάδελφοι στην {room} έχουν το ίδιο πρόβλημα.", "Έκανα επανεκκίνηση δύο φορές.", "Επείγον, στις {h} έρχεται πελάτης."},
	Rooms:   []string{"υποδοχή", "αποθήκη", "αίθουσα 5", "γραμματεία"},
	Home:    "Βάση γνώσεων", Symptoms: "Συμπτώματα", Solution: "Λύση", Table: "Συσκευές και εκδόσεις", Related: "Δείτε επίσης", Updated: "Τελευταία αναθεώρηση", Intro: "Το άρθρο αυτό είναι για όποιον έχει το πρόβλημα και για όποιον απαντά στην κλήση.",
}

var nihongo = voice{
	Language: "ja",
	Topics: map[string]words{
		"printer": {
			[]string{"{room}のプリンターが印刷できません", "{device}：トレイ{t}で紙詰まり"},
			[]string{"印刷ジョブは受け付けますが、紙が出てきません。", "新しい用紙でもトレイ{t}で紙が詰まります。", "更新後、プリンターがオフラインと表示されます。"},
			[]string{"印刷キューを消去し、サービスを再起動しました。", "ローラーを交換し、50枚印刷して確認しました。"},
		},
		"vpn": {
			[]string{"VPNが{n}分ごとに切れます", "自宅からVPNに接続できません"},
			[]string{"VPNは接続できますが{n}分後に切断されます。", "{device}にゲートウェイ応答なしと表示されます。"},
			[]string{"第二VPNゲートウェイに変更しました。", "端末の証明書を更新しました。"},
		},
		"laptop": {
			[]string{"ノートパソコンがスリープから復帰しません", "{device}のバッテリーが{n}分しか持ちません"},
			[]string{"ふたを開けても画面が黒いままです。", "{device}のバッテリーが{n}分で切れ、ファンが回り続けます。"},
			[]string{"BIOSとドックを更新しました。", "保証でバッテリーを交換しました。"},
		},
		"password": {
			[]string{"{device}のパスワード再設定", "休暇後にアカウントがロックされました"},
			[]string{"休暇中に{device}のパスワードを忘れました。", "携帯電話が古いパスワードを送り続けています。"},
			[]string{"パスワードを再設定し、サインインを確認しました。", "携帯電話から古いパスワードを削除しました。"},
		},
		"invoice": {
			[]string{"請求書{i}を計上できません", "{device}に仕入先の請求書がありません"},
			[]string{"148,500円の請求書が承認待ちのままです。", "{device}では支払済みですが、仕入先から督促が来ました。"},
			[]string{"代理の承認者に回送し、計上しました。", "税コードを訂正しました。"},
		},
		"email": {
			[]string{"{device}で送信できません", "メールボックスがいっぱいです"},
			[]string{"メールが送信トレイに残ります。", "共有メールボックスが月曜日から見えません。"},
			[]string{"Outlookのプロファイルを作り直しました。", "アーカイブに{n}GBを移動しました。"},
		},
		"network": {
			[]string{"{room}で無線LANが使えません", "{t}階のネットワークが遅いです"},
			[]string{"{room}では誰も無線LANに接続できません。", "{n}MBのコピーに十分かかります。"},
			[]string{"アクセスポイント{device}を交換しました。", "ケーブルを交換しました。"},
		},
		"access": {
			[]string{"{device}へのアクセス権が必要です", "異動後に権限がなくなりました"},
			[]string{"異動後、{device}が開けません。", "他部署の文書が見えてしまいます。"},
			[]string{"所有者の承認後、グループに追加しました。", "継承された権限を削除しました。"},
		},
	},
	Details: []string{"月曜日から始まりました。", "{room}の同僚も同じです。", "二回再起動しました。", "{h}時に来客があり、急いでいます。"},
	Rooms:   []string{"受付", "会議室A", "倉庫", "三階"},
	Home:    "ナレッジベース", Symptoms: "症状", Solution: "対処方法", Table: "機器とバージョン", Related: "関連記事", Updated: "最終確認日", Intro: "この記事は、同じ問題でお困りの方と電話を受ける担当者のためのものです。",
}

package main

// A voice is what a helpdesk hears in one language.
type voice struct {
	Language string // as in <html lang>
	Topics   map[string]words
	Details  []string // what callers add, whatever the topic
	Rooms    []string
	// The knowledge base's headings.
	Home, Symptoms, Solution, Table, Related, Updated, Intro string
}

// words say what goes wrong in one topic and what helped. Filled in are
// {device}, {room}, {n} (a number), {t} (a tray or a floor), {h} (an hour) and
// {i} (the number of an invoice).
type words struct{ Titles, Problems, Fixes []string }

// A topic is a kind of trouble, with the team that sees to it.
type topic struct {
	Name    string
	Team    string
	Tags    []string
	Devices []string
	Share   int // of a hundred tickets
}

var topics = []topic{
	{"printer", "Workplace", []string{"printer", "hardware", "office"}, []string{"HP LaserJet M507", "Brother HL-L6400", "Canon iR-ADV C3830", "Zebra ZD421", "Kyocera P3155"}, 22},
	{"vpn", "Network", []string{"vpn", "remote-work", "security"}, []string{"GlobalProtect 6.2", "AnyConnect 5.1", "WireGuard 0.5"}, 14},
	{"laptop", "Workplace", []string{"laptop", "hardware"}, []string{"ThinkPad T14", "Latitude 7440", "EliteBook 845", "Surface Laptop 6"}, 15},
	{"password", "Service Desk", []string{"password", "account"}, []string{"Windows", "SAP", "Workday", "Microsoft 365"}, 14},
	{"invoice", "Finance Systems", []string{"invoice", "sap", "finance"}, []string{"SAP FI", "DocuWare", "Coupa"}, 10},
	{"email", "Messaging", []string{"email", "outlook"}, []string{"Outlook", "Outlook mobile", "Exchange Online"}, 10},
	{"network", "Network", []string{"network", "wifi"}, []string{"Cisco 9120", "Aruba AP-515", "Catalyst 9200"}, 8},
	{"access", "Security", []string{"access", "permissions"}, []string{"SharePoint", "the finance share", "Power BI", "Jira"}, 7},
}

var english = voice{
	Language: "en",
	Topics: map[string]words{
		"printer": {
			[]string{"Printer in {room} does not print", "Printer {device}: paper jam every morning", "Printer offline after the update", "Labels come out of the printer blank", "Printer {device}: toner low"},
			[]string{"The printer takes the job, the display says printing, and nothing comes out.", "The printer {device} jams in tray {t}; the paper is new.", "Since the update the printer shows as offline, the web page of the printer opens.", "The printer puts grey stripes on the second page of every job.", "Print jobs of several users wait in the queue and block the printer."},
			[]string{"Cleared the print queue and restarted the spooler; test page printed.", "Replaced the pick-up roller of tray {t}, no jam in 50 pages.", "Reinstalled the printer with the universal driver.", "Cleaned the drum and fitted a new toner cartridge."},
		},
		"vpn": {
			[]string{"VPN drops every {n} minutes", "Cannot connect to the VPN from home", "VPN asks for the token twice", "{device} does not start"},
			[]string{"The VPN connects and drops after {n} minutes; the internet itself stays up.", "{device} says that the gateway does not answer.", "The VPN works at home but not in the hotel network.", "After the new token the VPN refuses the password."},
			[]string{"Moved the user to the second VPN gateway, stable since.", "Renewed the machine certificate; the VPN connects.", "Hotel network blocks UDP, switched the profile to TCP 443."},
		},
		"laptop": {
			[]string{"Laptop does not wake up", "{device}: battery lasts {n} minutes", "Laptop very slow after login", "New laptop for a new colleague", "Laptop screen flickers in the docking station"},
			[]string{"The laptop stays black when the lid is opened, only a long press of the button helps.", "Battery of the {device} drains in {n} minutes, the fan is loud all day.", "Login takes {n} minutes, then everything is slow until noon.", "The external monitor goes dark when the laptop sits in the dock."},
			[]string{"Updated BIOS and dock firmware, sleep works again.", "Battery replaced under warranty.", "Removed a second virus scanner; login takes seconds.", "Laptop reinstalled and handed over."},
		},
		"password": {
			[]string{"Password reset for {device}", "Account locked after holiday", "Password expired while travelling", "Cannot change my password"},
			[]string{"I forgot my {device} password after three weeks of holiday.", "The account is locked, the phone keeps trying the old password.", "The new password is refused although it has {n} characters.", "The reset page sends the code to my old phone number."},
			[]string{"Password reset, user signed in while on the phone.", "Removed the old password from the phone, account unlocked.", "Registered the new phone number for self-service reset."},
		},
		"invoice": {
			[]string{"Invoice {i} cannot be posted", "Supplier invoice missing in {device}", "Invoice printed twice", "Wrong tax code on invoice {i}"},
			[]string{"Invoice {i} stays in the workflow, the approver is on leave.", "{device} shows the invoice as paid, the supplier says it is not.", "The invoice has a tax code that was closed last year.", "The scanned invoice has an unreadable amount: \"1,249.90\" or \"7,249.90\"."},
			[]string{"Forwarded the invoice to the deputy, posted.", "Corrected the tax code and posted invoice {i} again.", "Bank file resent, the supplier confirmed the payment."},
		},
		"email": {
			[]string{"{device} does not send", "Mailbox full", "Shared mailbox disappeared", "Suspicious email with a link"},
			[]string{"Messages stay in the outbox of {device}.", "The mailbox is full, I cannot receive the contract.", "The shared mailbox of the team is gone since Monday.", "I clicked the link in an email before I saw that the sender was false."},
			[]string{"Rebuilt the Outlook profile.", "Switched on the online archive, {n} GB moved.", "Mapped the shared mailbox again.", "Password changed, sessions revoked, message removed from all mailboxes."},
		},
		"network": {
			[]string{"No Wi-Fi in {room}", "Network very slow on floor {t}", "Meeting room has no network"},
			[]string{"In {room} nobody gets Wi-Fi, the access point blinks orange.", "Copying a file of {n} MB takes ten minutes.", "Video calls break up whenever the canteen is full."},
			[]string{"Access point {device} replaced.", "Switch port was at 100 Mbit/s, cable replaced.", "Moved the access point to a free channel."},
		},
		"access": {
			[]string{"Access to {device} needed", "Lost rights after changing team", "Guest needs access for {n} days"},
			[]string{"I changed team and cannot open {device} any more.", "Our auditor needs read access to {device} for {n} days.", "I can see documents of another team, that cannot be right."},
			[]string{"Added to the group after approval by the owner.", "Guest account made with an end date.", "Inherited permissions removed, owner informed."},
		},
	},
	Details: []string{"It started on Monday.", "Colleagues in {room} have the same problem.", "I have restarted twice.", "This is urgent, we have a customer here at {h} o'clock.", "It worked last week.", "A photo of the message is attached.", "Please call me before you come.", "I can work on another machine until then."},
	Rooms:   []string{"room 3.14", "the mail room", "reception", "the warehouse office", "meeting room Thames", "the second floor"},
	Home:    "Knowledge base", Symptoms: "Symptoms", Solution: "What to do", Table: "Devices and versions", Related: "See also", Updated: "Last reviewed", Intro: "This article is for everybody who has this trouble and for the colleague who takes the call.",
}

// secondLevel are the notes that the second level adds, in English whatever
// the office speaks.
var secondLevel = map[string]string{
	"printer":  "Second level: printer firmware updated to {n}.{n}.",
	"vpn":      "Second level: VPN gateway log checked, case closed.",
	"laptop":   "Second level: laptop image {n} rolled out.",
	"password": "Second level: password reset link sent.",
	"invoice":  "Second level: invoice workflow restarted.",
	"email":    "Second level: mail trace attached.",
	"network":  "Second level: switch configuration saved.",
	"access":   "Second level: access review logged.",
}

package load

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// remedies tell what to do about the error codes of the login service that
// users of an app's credentials meet.
var remedies = map[string]string{
	"AADSTS7000215": "AZURE_CLIENT_SECRET is not the app's secret: set the secret's value, not its id",
	"AADSTS7000222": "the client secret has expired: make a new one in the app registration and set AZURE_CLIENT_SECRET",
	"AADSTS700016":  "AZURE_CLIENT_ID is not an app of the tenant AZURE_TENANT_ID: correct one of them",
	"AADSTS90002":   "AZURE_TENANT_ID is no tenant of this cloud: take the Directory (tenant) ID of the app registration",
	"AADSTS900023":  "AZURE_TENANT_ID is neither a tenant id nor a domain name",
	"AADSTS900382":  "the tenant is of another cloud: choose its cloud with --cloud",
	"AADSTS700027":  "the certificate in AZURE_CLIENT_CERTIFICATE_PATH is not one of the app's: upload its public part to the app registration",
	"AADSTS1000502": "the certificate in AZURE_CLIENT_CERTIFICATE_PATH has expired: make a new one and upload its public part to the app registration",
	"AADSTS70021":   "no federated credential of the app matches the workload's token: compare issuer, subject and audience",
	"AADSTS700211":  "no federated credential of the app matches the workload's token: compare its issuer",
	"AADSTS700212":  "no federated credential of the app matches the workload's token: compare its audience",
	"AADSTS700213":  "no federated credential of the app matches the workload's token: compare issuer, subject and audience",
	"AADSTS700024":  "the signed request is not valid at this time: set this machine's clock, or renew the token in AZURE_FEDERATED_TOKEN_FILE",
	"AADSTS700082":  "the login has expired: run az login again",
	"AADSTS50076":   "the account needs multi-factor authentication: run az login again",
	"AADSTS50079":   "the account needs multi-factor authentication: run az login again",
	"AADSTS7000112": "the app is disabled in the tenant: ask its admin to enable it (Enterprise applications)",
	"AADSTS53003":   "a conditional access policy blocks the login: ask the tenant's admin",
	"AADSTS65001":   "nobody has consented to the app: grant admin consent in the app registration",
}

// hints tell what to do about failures that have no code.
var hints = []struct{ words, remedy string }{
	{"isn't assigned to this resource", "AZURE_CLIENT_ID names a managed identity that this machine does not have: assign it to the machine, or unset AZURE_CLIENT_ID for the machine's own"},
	{"system assigned identity", "this machine has no identity of its own: switch its system-assigned identity on, or set AZURE_CLIENT_ID to that of a user-assigned one"},
	{"az login", "run az login"},
	{"executable not found on path", "install the Azure CLI (az) and run az login, or choose another way with --auth"},
	{"ManagedIdentityCredential", "a managed identity is there on Azure's machines only: run there, or choose another way with --auth"},
}

const loginRemedy = "set " + TokenVariable + ", or AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or " +
	"AZURE_CLIENT_CERTIFICATE_PATH, or run where a managed or workload identity is, or az login"

var aadsts = regexp.MustCompile(`AADSTS\d+`)

// A teller words the failures of a login. The zero teller knows no secrets.
type teller struct {
	hide  func(string) string // takes secrets out of a text
	clock func() string       // says what is wrong with this machine's clock, "" for nothing
}

// hider makes what takes secrets out of a text, as they are and as they stand
// in forms. It is a function, which no %#v looks into.
func hider(secrets []string) func(string) string {
	var pairs []string
	for _, s := range secrets {
		if len(s) > 3 { // anything shorter is no secret, but part of many words
			pairs = append(pairs, s, "[secret]", url.QueryEscape(s), "[secret]")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// words are those of a failure, in one line and without a secret.
func (t teller) words(err error) string {
	report := err.Error()
	if t.hide != nil {
		report = t.hide(report)
	}
	return loginWords(report)
}

// fault says in one line why there is no token and what to do.
func (t teller) fault(err error) error {
	words := t.words(err)
	remedy, ok := remedies[aadsts.FindString(words)]
	for _, h := range hints {
		if !ok && strings.Contains(words, h.words) && !strings.Contains(words, "DefaultAzureCredential") {
			remedy, ok = h.remedy, true
		}
	}
	if !ok {
		remedy = loginRemedy
	}
	if t.clock != nil && t.clock() != "" {
		remedy = t.clock() + "; if it still fails then: " + remedy
	}
	return &AuthError{Err: errors.New("no access token: " + words), Remedy: remedy}
}

// loginWords takes what helps out of azidentity's report, which holds
// requests, answers, rules and links on many lines: the login service's
// sentence if it spoke, or else one line for each credential that was tried.
// None of it holds a secret; requests are reported without their bodies.
func loginWords(report string) string {
	if at := aadsts.FindStringIndex(report); at != nil {
		sentence, _, _ := strings.Cut(report[at[0]:], " Trace ID")
		sentence, _, _ = strings.Cut(sentence, "\\r")
		sentence, _, _ = strings.Cut(sentence, "\n")
		return summary(strings.Trim(sentence, `", `))
	}
	var lines []string
	for line := range strings.Lines(report) {
		line, _, _ = strings.Cut(line, "To troubleshoot")
		line = strings.TrimSpace(line)
		if !strings.ContainsFunc(line, unicode.IsLetter) || strings.HasPrefix(line, `"error_codes"`) ||
			strings.HasPrefix(line, "GET ") || strings.HasPrefix(line, "POST ") {
			continue
		}
		lines = append(lines, strings.TrimRight(line, ".;:"))
	}
	words := summary(strings.Join(lines, "; "))
	if len(words) > maxLoginWords {
		words = strings.ToValidUTF8(words[:maxLoginWords], "") + "..."
	}
	return words
}

const maxLoginWords = 700 // enough for a line of each of the six credentials

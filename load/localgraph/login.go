package localgraph

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The login service's part that an application needs: POST
// /{tenant}/oauth2/v2.0/token (or the older /{tenant}/oauth2/token) with the
// client credentials grant, and what MSAL asks to find that address. Any tenant
// will do.

const maxFormBytes = 64 << 10

// login answers a request for the login service; false is any other request.
// It stands before the check of the bearer token, which its callers want.
func (c *call) login() bool {
	if c.s.opt.Issuer == nil {
		return false
	}
	path := strings.Trim(c.r.URL.EscapedPath(), "/")
	if strings.EqualFold(path, "common/discovery/instance") {
		if err := c.only("GET", c.instance); err != nil {
			c.fail(err)
		}
		return true
	}
	tenant, what, _ := strings.Cut(path, "/")
	if tenant == "" || strings.EqualFold(tenant, "v1.0") || strings.EqualFold(tenant, "beta") {
		return false
	}
	switch what = strings.ToLower(what); what {
	case "oauth2/v2.0/token", "oauth2/token":
		if err := c.only("POST", func() error { return c.token(what == "oauth2/token") }); err != nil {
			c.fail(err)
		}
		return true
	case "v2.0/.well-known/openid-configuration":
		root := rootURL(c.r) + "/" + tenant
		if err := c.only("GET", func() error {
			return c.reply(http.StatusOK, map[string]any{
				"issuer": root + "/v2.0", "token_endpoint": root + "/oauth2/v2.0/token",
				"authorization_endpoint": root + "/oauth2/v2.0/authorize", "jwks_uri": root + "/discovery/v2.0/keys",
				"grant_types_supported":                 []string{"client_credentials"},
				"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
				"response_types_supported":              []string{"token"},
			})
		}); err != nil {
			c.fail(err)
		}
		return true
	}
	return false
}

// instance answers what MSAL asks first of a login service that it knows by
// name: whether it is one, and which names it has.
func (c *call) instance() error {
	root := rootURL(c.r)
	tenant := "common"
	if u, err := url.Parse(c.r.URL.Query().Get("authorization_endpoint")); err == nil {
		if first, _, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/"); first != "" {
			tenant = first
		}
	}
	_, host, _ := strings.Cut(root, "://")
	return c.reply(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": root + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

// token answers the client credentials grant (RFC 6749, section 4.4). What
// the form holds is never repeated: it holds the secret. The first version of
// the endpoint, which older scripts use, wants a resource in place of a scope
// and answers numbers as strings.
func (c *call) token(first bool) error {
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	if t, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
		return c.refuse(http.StatusBadRequest, "invalid_request", 900144, "The request must be a form: application/x-www-form-urlencoded.")
	}
	raw, err := readAll(c.r.Body, c.r.ContentLength, maxFormBytes, c.hold)
	if err != nil {
		return c.refuse(http.StatusBadRequest, "invalid_request", 900144, "The form cannot be read, or is too large.")
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return c.refuse(http.StatusBadRequest, "invalid_request", 900144, "The form cannot be read.")
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := c.r.BasicAuth(); ok && secret == "" {
		// RFC 6749, section 2.3.1: both are form-encoded before they are joined.
		id, secret = unescape(user), unescape(password)
	}
	switch {
	case form.Get("grant_type") != "client_credentials":
		return c.refuse(http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant_type must be client_credentials.")
	case id == "" || secret == "":
		return c.refuse(http.StatusBadRequest, "invalid_request", 900144, "The form must have client_id and client_secret.")
	case first && form.Get("resource") == "":
		return c.refuse(http.StatusBadRequest, "invalid_request", 900144, "The form must have a resource, such as https://graph.microsoft.com.")
	case !first && !slices.ContainsFunc(strings.Fields(form.Get("scope")), isDefaultScope): // MSAL for Go adds openid and others
		return c.refuse(http.StatusBadRequest, "invalid_scope", 1002012, "The scope must be one that ends with /.default, such as https://graph.microsoft.com/.default.")
	case !c.s.opt.Issuer.knows(strings.ToLower(id), secret):
		return c.refuse(http.StatusUnauthorized, "invalid_client", 7000215,
			"Invalid client secret provided, or no such client. importer token --new-client NAME makes one.")
	}
	token, err := c.s.opt.Issuer.Mint(Caller{App: true, AppID: strings.ToLower(id)}, TokenLife)
	if err != nil {
		return err
	}
	life := int(TokenLife / time.Second)
	if first {
		now, text := time.Now().Unix(), strconv.Itoa(life)
		return c.reply(http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": text, "ext_expires_in": text, "access_token": token,
			"not_before": strconv.FormatInt(now, 10), "expires_on": strconv.FormatInt(now+int64(life), 10), "resource": form.Get("resource")})
	}
	return c.reply(http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})
}

func isDefaultScope(scope string) bool { return strings.HasSuffix(strings.ToLower(scope), "/.default") }

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// refuse answers as the login service does, whose errors are not Graph's.
// Clients and people look for the AADSTS number in the description.
func (c *call) refuse(status int, code string, number int, text string) error {
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	return c.reply(status, map[string]any{
		"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %[3]s Timestamp: %[4]s", number, text, c.id, at),
		"error_codes": []int{number}, "timestamp": at, "trace_id": c.id, "correlation_id": c.id,
	})
}

package load

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Claims are what an access token of Entra ID says of itself. They are read
// and not verified: the service decides, this is for messages.
type Claims struct {
	Tenant  string    // tid
	AppID   string    // of the app that the token was given to
	AppName string    // as its registration has it
	User    string    // upn; "" for an app
	Roles   []string  // application permissions
	Scopes  []string  // delegated permissions
	Expires time.Time // zero if it does not say
}

// ReadClaims reads a token; ok is false when it is no such token, as one of a
// server that is not Microsoft's may be.
func ReadClaims(token string) (c Claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return c, false
	}
	var raw struct {
		Tid         string
		AppID       string `json:"appid"`
		Azp         string
		DisplayName string `json:"app_displayname"`
		UPN         string
		Preferred   string `json:"preferred_username"`
		Roles       []string
		Scp         string
		Exp         float64
	}
	if json.Unmarshal(payload, &raw) != nil {
		return c, false
	}
	c = Claims{Tenant: raw.Tid, AppID: raw.AppID, AppName: raw.DisplayName, User: raw.UPN, Roles: raw.Roles, Scopes: strings.Fields(raw.Scp)}
	if c.AppID == "" {
		c.AppID = raw.Azp
	}
	if c.User == "" {
		c.User = raw.Preferred
	}
	if raw.Exp > 0 && raw.Exp < 1e11 {
		c.Expires = time.Unix(int64(raw.Exp), 0)
	}
	return c, true
}

// App tells an application's token from one of a signed-in user.
func (c Claims) App() bool { return c.User == "" && len(c.Scopes) == 0 }

// Has tells whether the token carries a permission, or the one that it is a
// part of: what is OwnedBy is in All.
func (c Claims) Has(permission string) bool {
	all := strings.TrimSuffix(permission, ".OwnedBy") + ".All"
	return slices.ContainsFunc(slices.Concat(c.Roles, c.Scopes), func(have string) bool {
		return strings.EqualFold(have, permission) || strings.EqualFold(have, all)
	})
}

package localgraph

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Tokens are JSON Web Tokens, signed with HMAC-SHA256 by a key that only this
// folder has:
//
//	token.key        32 random bytes in hex, mode 0600
//	clients/<id>.json  {"name", "hash", "created"} of an application that asks
//	                 the token endpoint; hash is the SHA-256 of its secret
//
// A secret is 256 random bits, so a plain hash is as good as a slow one: there
// is nothing to guess from.

// An Issuer mints tokens, and a Server with it takes them.
type Issuer struct {
	key []byte
	dir string
}

// TokenLife is how long the token endpoint's tokens live. Entra ID's live 60
// to 90 minutes.
const TokenLife = time.Hour

// OpenIssuer reads the key of the folder dir, and makes it when it is missing.
func OpenIssuer(dir string) (*Issuer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("tokens: making the folder: %w", err)
	}
	path := filepath.Join(dir, "token.key")
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(path); err == nil {
			key, err = readKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return &Issuer{key: key, dir: dir}, nil
}

func readKey(path string) ([]byte, error) {
	shared, err := othersRead(path)
	if err != nil {
		return nil, err
	}
	if shared {
		return nil, fmt.Errorf("others can read %s, so anybody's token may be forged: remove it, and a new one is made; all tokens end with it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("%s is no key: remove it, and a new one is made; all tokens end with it", path)
	}
	return key, nil
}

func makeKey(path string) error {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return placeOnce(path, []byte(hex.EncodeToString(key)+"\n"))
}

// claims are what a token says. The names are those of Entra ID's tokens.
type claims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	Issued   int64    `json:"iat"`
	From     int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
	Kind     string   `json:"idtyp"` // app or user
	AppID    string   `json:"appid,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Scope    string   `json:"scp,omitempty"`
	User     string   `json:"upn,omitempty"`
	SearchAs string   `json:"search_as,omitempty"`

	// What clients show of a token, and this server never reads. There is no
	// tid: a client that keeps what it sent to a tenant would take this server
	// for another one with a token and with a fixed one of Options.Tokens.
	Object string `json:"oid"`
	Name   string `json:"app_displayname,omitempty"`
}

const (
	tokenAudience = "https://graph.microsoft.com"
	tokenIssuer   = "https://localgraph.invalid/"
)

// tokenHeader is the same for all tokens. It is compared, never read, so a
// token cannot choose how it is checked.
var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`))

// Mint makes a token for a caller.
func (is *Issuer) Mint(c Caller, life time.Duration) (string, error) {
	if err := checkRoles(c); err != nil {
		return "", err
	}
	if c.App == (c.UserID != "") {
		return "", errors.New("tokens: a token is for an application or for a user, and not for both")
	}
	if life <= 0 {
		return "", fmt.Errorf("tokens: a life of %v is over before it begins", life)
	}
	now := time.Now()
	cl := claims{Audience: tokenAudience, Issuer: tokenIssuer, Issued: now.Unix(), From: now.Unix(), Expires: now.Add(life).Unix(), Kind: "user",
		AppID: c.AppID, User: c.UserID, SearchAs: c.SearchAs, Scope: "ExternalItem.Read.All"}
	if c.App {
		cl.Kind, cl.Scope, cl.Roles = "app", "", rolesOf(c)
	}
	is.label(&cl)
	payload, err := json.Marshal(cl)
	if err != nil {
		return "", err
	}
	text := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + is.sign(text), nil
}

// label adds what the CLI for Microsoft 365 wants to find in a token: the
// object id of the user or of the application's principal, and a name.
func (is *Issuer) label(cl *claims) {
	cl.Object = cl.User
	if cl.Kind == "app" {
		cl.Name = is.nameOf(cl.AppID)
		cl.Object = nameID("application " + cl.AppID)
	} else if !clientID.MatchString(strings.ToLower(cl.User)) {
		cl.Object = nameID("user " + strings.ToLower(cl.User))
	}
}

// nameID makes an id of a name, the same one each time (RFC 9562, version 8).
func nameID(name string) string {
	sum := sha256.Sum256([]byte(name))
	sum[6], sum[8] = 0x80|sum[6]&0x0f, 0x80|sum[8]&0x3f
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (is *Issuer) sign(text string) string {
	m := hmac.New(sha256.New, is.key)
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

var (
	errToken   = errors.New("the token is not one of this issuer")
	errExpired = errors.New("the token is expired")
	errNotYet  = errors.New("the token holds from a later time on")
)

// clockSkew is how much the clock of another machine with the key of this
// folder may be ahead.
const clockSkew = 5 * time.Minute

// verify gives the caller of a token.
func (is *Issuer) verify(token string, now time.Time) (Caller, error) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return Caller{}, errToken
	}
	// As text: a decoder would take several texts for one signature.
	if !hmac.Equal([]byte(token[i+1:]), []byte(is.sign(token[:i]))) {
		return Caller{}, errToken
	}
	payload, ok := strings.CutPrefix(token[:i], tokenHeader+".")
	if !ok {
		return Caller{}, errToken
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Caller{}, errToken
	}
	var cl claims
	if err := json.Unmarshal(raw, &cl); err != nil || cl.Audience != tokenAudience || cl.Issuer != tokenIssuer {
		return Caller{}, errToken
	}
	if now.Unix() >= cl.Expires {
		return Caller{}, errExpired
	}
	if now.Add(clockSkew).Unix() < cl.From {
		return Caller{}, errNotYet
	}
	switch {
	case cl.Kind == "app" && cl.User == "":
		c := Caller{App: true, AppID: cl.AppID, SearchAs: cl.SearchAs}
		if !slices.Equal(cl.Roles, rolesOf(c)) {
			if c.Roles = strings.Join(cl.Roles, " "); c.Roles == "" {
				return Caller{}, errToken // of no role, and not of all
			}
		}
		return c, nil
	case cl.Kind == "user" && cl.User != "":
		return Caller{UserID: cl.User}, nil
	}
	return Caller{}, errToken
}

// A storedClient is an application as its file has it.
type storedClient struct {
	Name    string    `json:"name"`
	Hash    string    `json:"hash"`
	Created time.Time `json:"created"`
}

var clientID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (is *Issuer) clientFile(id string) string { return filepath.Join(is.dir, "clients", id+".json") }

// NewClient makes an application that can ask the token endpoint. The secret
// is not kept, only its hash: nobody can tell it a second time.
func (is *Issuer) NewClient(name string) (id, secret string, err error) {
	if strings.TrimSpace(name) == "" {
		return "", "", errors.New("clients: a client needs a name")
	}
	if err := os.MkdirAll(filepath.Join(is.dir, "clients"), 0o700); err != nil {
		return "", "", fmt.Errorf("clients: %w", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	secret = base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(secret))
	id = requestID()
	b, err := json.Marshal(storedClient{Name: name, Hash: hex.EncodeToString(sum[:]), Created: time.Now().UTC()})
	if err != nil {
		return "", "", err
	}
	f, err := os.OpenFile(is.clientFile(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", "", fmt.Errorf("clients: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", "", fmt.Errorf("clients: %w", err)
	}
	return id, secret, nil
}

// RemoveClient ends an application. Tokens that it has hold until they expire.
func (is *Issuer) RemoveClient(id string) error {
	err := fs.ErrNotExist
	if clientID.MatchString(id) {
		err = os.Remove(is.clientFile(id))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clients: there is no client %q", id)
	}
	return err
}

// nameOf is what an application is called.
func (is *Issuer) nameOf(id string) string {
	var stored storedClient
	if clientID.MatchString(id) {
		if raw, err := os.ReadFile(is.clientFile(id)); err == nil && json.Unmarshal(raw, &stored) == nil {
			return stored.Name
		}
	}
	return "importer"
}

// knows tells whether the secret is the client's. An unknown client takes as
// long as a wrong secret.
func (is *Issuer) knows(id, secret string) bool {
	var stored storedClient
	known := false
	if clientID.MatchString(id) {
		if raw, err := os.ReadFile(is.clientFile(id)); err == nil {
			known = json.Unmarshal(raw, &stored) == nil
		}
	}
	want, err := hex.DecodeString(stored.Hash)
	if err != nil || len(want) != sha256.Size {
		want, known = make([]byte, sha256.Size), false
	}
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], want) == 1 && known
}

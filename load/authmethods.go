package load

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"software.sslmate.com/src/go-pkcs12"
)

// The environment variables of the credentials. Those that end in _FILE name a
// file that holds what the variable without it would.
const (
	envTenant       = "AZURE_TENANT_ID"
	envClient       = "AZURE_CLIENT_ID"
	envSecret       = "AZURE_CLIENT_SECRET"
	envCertificate  = "AZURE_CLIENT_CERTIFICATE_PATH"
	envCertPassword = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
	envCertChain    = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"
	envFederated    = "AZURE_FEDERATED_TOKEN_FILE"
	envChoice       = "AZURE_TOKEN_CREDENTIALS" // azidentity's own choice within its chain
)

// A login makes the credential of a method.
type login struct {
	opt     AuthOptions
	probe   *loginProbe
	client  azcore.ClientOptions
	secrets []string
}

func newLogin(opt AuthOptions, where Cloud) *login {
	l := &login{opt: opt, probe: &loginProbe{next: opt.Transport, host: hostOf(where.login.ActiveDirectoryAuthorityHost)}}
	l.client = azcore.ClientOptions{Cloud: where.login, Transport: l.probe, Retry: opt.Retry}
	return l
}

// source makes the token source of the method for a scope.
func (l *login) source(scope string) (TokenSource, error) {
	method := l.opt.Method
	if method == "auto" {
		method = l.chosen()
	}
	makers := map[string]func() (azcore.TokenCredential, string, error){
		"secret": l.secret, "certificate": l.certificate, "managed-identity": l.managed, "workload": l.workload, "cli": l.cli, "auto": l.chain,
	}
	make, ok := makers[method]
	if !ok {
		return nil, fmt.Errorf("%q is none of %s", method, strings.Join(AuthMethods, ", "))
	}
	cred, words, err := make()
	tell := teller{hide: hider(l.secrets), clock: l.probe.clock}
	if _, ours := errors.AsType[*AuthError](err); ours {
		return nil, err
	}
	if err != nil {
		return nil, tell.fault(err)
	}
	e := newEntra(cred, scope, words, l.probe.passing)
	e.tell = tell
	return e, nil
}

// chosen is the method that the environment describes, or auto for azidentity's
// chain. It takes what EnvironmentCredential would, and knows the variables of
// files beside.
func (l *login) chosen() string {
	set := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return l.opt.Getenv(n) == "" })
	}
	switch {
	case set(envSecret + "_FILE"):
		return "secret"
	case set(envChoice):
		return "auto"
	case set(envTenant, envClient, envSecret):
		return "secret"
	case set(envTenant, envClient, envCertificate):
		return "certificate"
	}
	return "auto"
}

// need tells which of the variables that a method needs are not set.
func (l *login) need(method string, names ...string) error {
	var missing []string
	for _, n := range names {
		if strings.TrimSpace(l.opt.Getenv(n)) == "" {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &AuthError{Remedy: fmt.Sprintf("no access token: the way %s needs %s: set it, or choose another way with --auth (%s)",
		method, strings.Join(missing, " and "), strings.Join(AuthMethods, ", "))}
}

// read gives the value of a variable or of the file that its _FILE names. It
// is a secret: no message of the login holds it.
func (l *login) read(name string) (string, error) {
	value := l.opt.Getenv(name)
	if file := l.opt.Getenv(name + "_FILE"); file != "" {
		text, err := readSmall(file)
		if err != nil {
			return "", &AuthError{Err: fmt.Errorf("the file %s that %s_FILE names cannot be read: %w", file, name, withoutPath(err)), Remedy: "correct the variable, or make the file readable"}
		}
		if value = strings.TrimRight(string(text), "\r\n"); value == "" {
			return "", &AuthError{Remedy: fmt.Sprintf("the file %s that %s_FILE names is empty: put the secret into it", file, name)}
		}
	}
	l.secrets = append(l.secrets, value)
	return value, nil
}

func (l *login) secret() (azcore.TokenCredential, string, error) {
	needed := []string{envTenant, envClient, envSecret}
	if l.opt.Getenv(envSecret+"_FILE") != "" {
		needed = needed[:2]
	}
	if err := l.need("secret", needed...); err != nil {
		return nil, "", err
	}
	secret, err := l.read(envSecret)
	if err != nil {
		return nil, "", err
	}
	cred, err := azidentity.NewClientSecretCredential(l.opt.Getenv(envTenant), l.opt.Getenv(envClient), secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: l.client})
	return cred, "a client secret", err
}

func (l *login) certificate() (azcore.TokenCredential, string, error) {
	if err := l.need("certificate", envTenant, envClient, envCertificate); err != nil {
		return nil, "", err
	}
	password, err := l.read(envCertPassword)
	if err != nil {
		return nil, "", err
	}
	file := l.opt.Getenv(envCertificate)
	data, err := readSmall(file)
	if err != nil {
		return nil, "", &AuthError{Err: fmt.Errorf("the certificate %s cannot be read: %w", file, withoutPath(err)), Remedy: "correct " + envCertificate + ", or make the file readable"}
	}
	certs, key, err := parseCertificate(data, password)
	if err != nil {
		return nil, "", &AuthError{Err: fmt.Errorf("the certificate %s cannot be used: %w", file, err),
			Remedy: "it must be a PEM file with the certificate and its key, not encrypted, or a PFX file, with its password in " + envCertPassword + " or " + envCertPassword + "_FILE"}
	}
	chain := strings.ToLower(l.opt.Getenv(envCertChain))
	cred, err := azidentity.NewClientCertificateCredential(l.opt.Getenv(envTenant), l.opt.Getenv(envClient), certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: l.client, SendCertificateChain: chain == "1" || chain == "true"})
	return cred, "a certificate, good until " + certs[0].NotAfter.Format(time.DateOnly), err
}

// parseCertificate reads a certificate with its key. PFX files are read by
// go-pkcs12: azidentity's reader does not know those with SHA-256, which
// OpenSSL has written since 3.0 and Windows since Server 2019.
func parseCertificate(data []byte, password string) ([]*x509.Certificate, crypto.PrivateKey, error) {
	if bytes.Contains(data, []byte("-----BEGIN")) {
		if bytes.Contains(data, []byte("ENCRYPTED")) {
			return nil, nil, errors.New("its key is encrypted, which cannot be read from a PEM file")
		}
		return azidentity.ParseCertificates(data, nil)
	}
	key, cert, more, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return nil, nil, errors.New("it needs a password")
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, nil, errors.New("the password is wrong")
	case err != nil:
		return nil, nil, fmt.Errorf("it is no PEM file, and as PFX it cannot be read: %w", err)
	}
	return append([]*x509.Certificate{cert}, more...), key, nil
}

// managed is a managed identity: the machine's own, or the one whose client id
// or resource id AZURE_CLIENT_ID is.
func (l *login) managed() (azcore.TokenCredential, string, error) {
	opt := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: l.client}
	words := "the managed identity of this machine"
	switch id := l.opt.Getenv(envClient); {
	case strings.HasPrefix(id, "/"):
		opt.ID, words = azidentity.ResourceID(id), "the managed identity "+id
	case id != "":
		opt.ID, words = azidentity.ClientID(id), "the managed identity "+id
	}
	// azidentity waits for two and a half minutes on a machine that is none of
	// Azure's.
	if opt.Retry.MaxRetries == 0 {
		opt.Retry.MaxRetries, opt.Retry.TryTimeout = 3, 10*time.Second
	}
	cred, err := azidentity.NewManagedIdentityCredential(opt)
	return cred, words, err
}

func (l *login) workload() (azcore.TokenCredential, string, error) {
	if err := l.need("workload", envTenant, envClient, envFederated); err != nil {
		return nil, "", err
	}
	file := l.opt.Getenv(envFederated)
	text, err := readSmall(file)
	if err != nil {
		return nil, "", &AuthError{Err: fmt.Errorf("the file %s that %s names cannot be read: %w", file, envFederated, withoutPath(err)), Remedy: "correct the variable, or look why the workload has no token"}
	}
	l.secrets = append(l.secrets, strings.TrimSpace(string(text)))
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: l.client,
		TenantID: l.opt.Getenv(envTenant), ClientID: l.opt.Getenv(envClient), TokenFilePath: file})
	return cred, "a workload identity", err
}

func (l *login) cli() (azcore.TokenCredential, string, error) {
	cred, err := azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: l.opt.Getenv(envTenant)})
	return cred, "the Azure CLI's login", err
}

func (l *login) chain() (azcore.TokenCredential, string, error) {
	l.secrets = append(l.secrets, l.opt.Getenv(envSecret), l.opt.Getenv(envCertPassword))
	cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: l.client})
	return cred, "azidentity's default chain", err
}

// maxSecretFile bounds a file with a secret, a token or a certificate.
const maxSecretFile = 1 << 20

func readSmall(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case info.Size() > maxSecretFile:
		return nil, errors.New("it is too large to hold a secret")
	}
	return os.ReadFile(file)
}

// withoutPath takes the operation and the path off an error of the file
// system: the message names the path itself.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// A commandCredential runs a command that prints an access token.
type commandCredential struct{ command string }

const (
	commandTime = time.Minute
	// unknownLife is how long a token is used that does not say how long it
	// lives; the command is then asked again.
	unknownLife = 10 * time.Minute
)

// GetToken runs the command. What the command wrote to stderr is repeated in
// the error without whatever looks like a token or another secret; neither the
// command nor its output is.
func (c *commandCredential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	limited, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(limited, "/bin/sh", "-c", c.command)
	if runtime.GOOS == "windows" {
		cmd = exec.CommandContext(limited, "cmd", "/c", c.command)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	fail := func(format string, args ...any) (azcore.AccessToken, error) {
		remedy := "run it yourself and look"
		if said := hush(summary(stderr.String())); said != "" {
			remedy = "it says: " + said
		}
		return azcore.AccessToken{}, &AuthError{Err: fmt.Errorf("no access token: the command in "+TokenCommandVariable+" "+format, args...), Remedy: remedy}
	}
	if err := cmd.Run(); err != nil {
		switch {
		case ctx.Err() != nil:
			return azcore.AccessToken{}, ctx.Err()
		case limited.Err() != nil:
			return fail("did not end in %s", commandTime)
		}
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			return fail("cannot be run (%w)", withoutPath(err))
		}
		return fail("failed (%s)", exit.ProcessState)
	}
	token := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(stdout.String()), "Bearer "))
	if !isToken(token) {
		return fail("printed no token, but %d bytes of something else; it must print the token alone", stdout.Len())
	}
	return azcore.AccessToken{Token: token, ExpiresOn: expiry(token, time.Now())}, nil
}

// expiry says until when a token of a command is used. One that has expired by
// this machine's clock is tried all the same, for the clock may be wrong, and
// the command is asked again in a minute.
func expiry(token string, now time.Time) time.Time {
	claims, ok := ReadClaims(token)
	switch {
	case !ok || claims.Expires.IsZero():
		return now.Add(unknownLife)
	case claims.Expires.Before(now.Add(renewBefore)):
		return now.Add(renewBefore + time.Minute)
	}
	return claims.Expires
}

// secretLike is what may be a token, a key or a password in what a command
// writes: a long run of characters that words do not have.
var secretLike = regexp.MustCompile(`[A-Za-z0-9+/=_.~\-]{20,}`)

// hush takes out what looks like a secret.
func hush(s string) string { return secretLike.ReplaceAllString(s, "[...]") }

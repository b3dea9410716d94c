// Command go lives the whole life of a connection with the official Go SDK,
// as it is published: it is given a base URL, a credential and the host that
// may have its token. It tests the local Graph and is not shipped.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	msauth "github.com/microsoft/kiota-authentication-azure-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// A life is what the steps share.
type life struct {
	ctx   context.Context
	graph string // https://localhost:port
	app   *msgraph.GraphServiceClient
	anna  person
	boris person
	token azcore.TokenCredential // the application's, for what the SDK has no call for
}

type person struct {
	id     string
	client *msgraph.GraphServiceClient
}

func main() {
	l := &life{ctx: context.Background(), graph: env("GRAPH")}
	trust(env("CA_FILE"))
	steps := 0
	for _, s := range []struct {
		what string
		run  func()
	}{
		{"an application logs in with azidentity", l.login},
		{"what is not there is not found", l.notFound},
		{"create a connection with a resolver and a result template", l.connection},
		{"register the schema and follow Location", l.schema},
		{"an item with every type of property", l.everyType},
		{"odd ids, as this client sends them: percent-encoded", l.ids},
		{"PATCH and PUT replace what is sent and keep the rest", l.patch},
		{"an item that breaks a rule is refused, and the rule named", l.refusals},
		{"activities, by the action and with the item", l.activities},
		{"external groups with nested members, and a circle", l.groups},
		{"a batch of 20 with a dependency", l.batch},
		{"lists by pages, and one by its name", l.lists},
		{"search as people, each of whom sees what the ACLs let through", l.trimmed},
		{"search with fields, sorting, pages, aggregations and their filter", l.refined},
		{"an application does not search, a person does not write", l.permissions},
		{"sixty at once", l.burst},
		{"throttled and unavailable: 16 clients try again, and nothing is lost", l.throttled},
		{"a service that stays away ends in an error that says so", l.away},
		{"deleted is gone: items, members, groups, connections", l.deleted},
	} {
		if err := try(s.run); err != nil {
			fmt.Printf("not ok %d %s\n%v\n", steps+1, s.what, err)
			os.Exit(1)
		}
		steps++
		fmt.Printf("ok %d %s\n", steps, s.what)
	}
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/microsoftgraph/msgraph-sdk-go" {
				version = strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	b, err := json.Marshal(map[string]any{"client": "msgraph-sdk-go", "version": version, "steps": steps})
	must(err)
	fmt.Println(string(b))
}

func env(name string) string {
	v := os.Getenv(name)
	if v == "" {
		fmt.Printf("%s is not set: this program is started by importer/cmd/importer/internal/clients\n", name)
		os.Exit(2)
	}
	return v
}

// trust adds the local Graph's authority to those that this process trusts,
// as the operating system's settings would.
func trust(file string) {
	text, err := os.ReadFile(file)
	must(err)
	pool := x509.NewCertPool()
	check(pool.AppendCertsFromPEM(text), "%s has no certificate", file)
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
}

func (l *life) login() {
	options := func() *azidentity.ClientSecretCredentialOptions {
		return &azidentity.ClientSecretCredentialOptions{
			DisableInstanceDiscovery: true, // the authority is none of Microsoft's
			ClientOptions: azcore.ClientOptions{
				Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: l.graph + "/"},
				Transport: http.DefaultClient,
			},
		}
	}
	scope := policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}}
	wrong, err := azidentity.NewClientSecretCredential("contoso.example", env("CLIENT_ID"), "wrong", options())
	must(err)
	_, err = wrong.GetToken(l.ctx, scope)
	var failed *azidentity.AuthenticationFailedError
	check(errors.As(err, &failed) && failed.RawResponse.StatusCode == 401, "a wrong secret: %v", err)
	right, err := azidentity.NewClientSecretCredential("contoso.example", env("CLIENT_ID"), env("CLIENT_SECRET"), options())
	must(err)
	l.token = right
	l.app = l.client(right)
	l.anna = person{env("ANNA_ID"), l.client(static(env("ANNA_TOKEN")))}
	l.boris = person{env("BORIS_ID"), l.client(static(env("BORIS_TOKEN")))}
	_, err = l.client(static("not a token")).External().Connections().Get(l.ctx, nil)
	refused(err, 401, "InvalidAuthenticationToken", "")
}

// client makes a client as the SDK's documentation has it for another cloud.
func (l *life) client(credential azcore.TokenCredential) *msgraph.GraphServiceClient {
	u, err := url.Parse(l.graph)
	must(err)
	auth, err := msauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(credential, []string{"https://graph.microsoft.com/.default"}, []string{u.Hostname()})
	must(err)
	adapter, err := msgraph.NewGraphRequestAdapter(auth)
	must(err)
	adapter.SetBaseUrl(l.graph + "/v1.0")
	return msgraph.NewGraphServiceClient(adapter)
}

// static is the credential of somebody who has a token already.
type static string

func (s static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// faults sets what goes wrong on purpose.
func (l *life) faults(body string) {
	_, err := l.raw(http.MethodPut, "/_control/faults", `{"faults":`+body+`}`)
	must(err)
}

// raw makes a request that the SDK has no call for.
func (l *life) raw(method, path, body string) (map[string]any, error) {
	token, err := l.token.GetToken(l.ctx, policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	must(err)
	req, err := http.NewRequestWithContext(l.ctx, method, l.graph+path, strings.NewReader(body))
	must(err)
	req.Header.Set("Authorization", "Bearer "+token.Token)
	resp, err := http.DefaultClient.Do(req)
	must(err)
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("%s %s: %d %v", method, path, resp.StatusCode, v)
	}
	return v, nil
}

// A failure is what a check found.
type failure struct{ error }

func try(run func()) (err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			err = f.error
		default:
			panic(f)
		}
	}()
	run()
	return nil
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(failure{fmt.Errorf("%w\n%s", fmt.Errorf(format, args...), debug.Stack())})
	}
}

func must(err error) {
	check(err == nil, "%v", describe(err))
}

func same(what string, got, want any) {
	check(reflect.DeepEqual(got, want), "%s = %#v, want %#v", what, got, want)
}

// refused checks that err is the service's refusal.
func refused(err error, status int, code, words string) {
	var e *odataerrors.ODataError
	check(errors.As(err, &e), "want an ODataError %d, got %v", status, err)
	check(e.GetStatusCode() == status && e.GetErrorEscaped() != nil && value(e.GetErrorEscaped().GetCode()) == code, "want %d %s, got %s", status, code, describe(err))
	inner := e.GetErrorEscaped().GetInnerError()
	check(inner != nil && value(inner.GetRequestId()) != "", "no request-id in %s", describe(err))
	text, _ := inner.GetAdditionalData()["message"].(*string)
	check(words == "" || strings.Contains(value(text), words), "the refusal does not name %q: %s", words, describe(err))
}

func describe(err error) string {
	var e *odataerrors.ODataError
	if !errors.As(err, &e) || e.GetErrorEscaped() == nil {
		return fmt.Sprint(err)
	}
	m := e.GetErrorEscaped()
	s := fmt.Sprintf("%d %s: %s", e.GetStatusCode(), value(m.GetCode()), value(m.GetMessage()))
	if in := m.GetInnerError(); in != nil {
		if text, ok := in.GetAdditionalData()["message"].(*string); ok {
			s += " (" + value(text) + ")"
		}
	}
	return s
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// until asks again until the answer is yes.
func until(what string, ask func() bool) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ask() {
			return
		}
	}
	check(false, "%s did not happen in 30 s", what)
}

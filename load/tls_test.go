package load

import (
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"importer/transform"
)

// A server that is not trusted gets no item, and no second try: no time makes
// its certificate better.
func TestCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the request came as %s, want HTTP/2", r.Proto)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	put := func(roots *x509.CertPool) Result {
		g, err := NewGraph(GraphOptions{BaseURL: srv.URL, Connection: "kb", RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		return g.Put(t.Context(), []*transform.Item{{ID: "1"}})[0]
	}
	if r := put(nil); r.Fate != Unsettled || !r.Fatal || !strings.Contains(r.Err.Error(), "is not trusted") || !strings.Contains(r.Err.Error(), "--graph-ca") {
		t.Errorf("an unknown authority: %+v", r)
	}
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	if r := put(roots); r.Fate != Stored {
		t.Errorf("a trusted one: %+v", r)
	}
	// The login service stands behind the same proxy.
	for _, known := range []*x509.CertPool{nil, roots} {
		resp, err := (&http.Client{Transport: loginTransport(known)}).Get(srv.URL)
		if (err == nil) != (known != nil) {
			t.Errorf("login with the authority known = %v: %v", known != nil, err)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
}

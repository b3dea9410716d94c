package localgraph

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func authority(t testing.TB, dir string, names ...string) *Authority {
	t.Helper()
	a, err := OpenAuthority(dir, names...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// trusting is a pool with the authority's file in it, and nothing else.
func trusting(t testing.TB, a *Authority) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(a.File())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s has no certificate: %s", a.File(), text)
	}
	return pool
}

func verify(a *Authority, pool *x509.CertPool, host string) error {
	cert, err := a.current()
	if err != nil {
		return err
	}
	_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host})
	return err
}

func TestAuthorityOverTLS(t *testing.T) {
	a := authority(t, t.TempDir(), "graph.microsoft.com", "10.1.2.3")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{TLSConfig: a.TLS(), ErrorLog: log.New(io.Discard, "", 0), Handler: http.NotFoundHandler()}
	go srv.ServeTLS(l, "", "")
	defer srv.Close()
	get := func(url string, pool *x509.CertPool) (*http.Response, error) {
		tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
			}}
		defer tr.CloseIdleConnections()
		return (&http.Client{Transport: tr}).Get(url)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "graph.microsoft.com", "10.1.2.3"} {
		resp, err := get("https://"+host+"/", trusting(t, a))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s: %s, want HTTP/2", host, resp.Proto)
		}
	}
	if _, err := get("https://login.microsoftonline.com/", trusting(t, a)); err == nil {
		t.Error("the certificate holds for a name that nobody gave")
	}
	if _, err := get("https://localhost/", trusting(t, authority(t, t.TempDir()))); err == nil {
		t.Error("the authority of another folder is trusted")
	}
}

// Whoever trusts the authority must not have to trust it for other hosts.
func TestAuthorityIsConstrained(t *testing.T) {
	a := authority(t, t.TempDir(), "graph.microsoft.com")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		names []string
		ips   []net.IP
		host  string
		good  bool
	}{
		{[]string{"localhost"}, nil, "localhost", true},
		{nil, []net.IP{{127, 9, 9, 9}}, "127.9.9.9", true},
		{[]string{"graph.microsoft.com"}, nil, "graph.microsoft.com", true},
		{[]string{"login.microsoftonline.com"}, nil, "login.microsoftonline.com", false},
		{[]string{"microsoft.com"}, nil, "microsoft.com", false},
		{nil, []net.IP{{10, 0, 0, 1}}, "10.0.0.1", false},
		{nil, []net.IP{net.ParseIP("::2")}, "::2", false},
	} {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
			DNSNames: tt.names, IPAddresses: tt.ips, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, key.Public(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: trusting(t, a), DNSName: tt.host}); (err == nil) != tt.good {
			t.Errorf("a certificate for %s: %v, want good = %v", tt.host, err, tt.good)
		}
	}
}

func TestAuthorityIsKept(t *testing.T) {
	dir := t.TempDir()
	first := authority(t, dir, "one.example")
	old, pool := first.cert, trusting(t, first)

	again := authority(t, dir)
	if !again.cert.Equal(old) {
		t.Error("opened again with fewer names, the authority is another")
	}

	second := authority(t, dir, "two.example", "10.0.0.9")
	if second.cert.Equal(old) {
		t.Error("the authority may not sign for a new name, and is the same")
	}
	if err := verify(second, pool, "localhost"); err == nil {
		t.Error("the old certificate lets the authority sign for a new name")
	}
	if err := verify(authority(t, dir, "one.example"), pool, "one.example"); err != nil {
		t.Errorf("who trusts the old certificate no longer trusts the server: %v", err)
	}
	for _, host := range []string{"localhost", "two.example", "10.0.0.9"} {
		if err := verify(second, trusting(t, second), host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	third := authority(t, dir, "one.example", "ONE.example", "10.0.0.9")
	if !third.cert.Equal(second.cert) {
		t.Error("the names of the first certificate are not in the second")
	}

	// A crash between the two files.
	if err := os.Remove(third.File()); err != nil {
		t.Fatal(err)
	}
	if err := verify(authority(t, dir), trusting(t, authority(t, dir)), "localhost"); err != nil {
		t.Error(err)
	}
}

func TestAuthorityRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := authority(t, dir)
		first := a.cert
		serves := func() *x509.Certificate {
			t.Helper()
			c, err := a.current()
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(a, trusting(t, a), "localhost"); err != nil {
				t.Errorf("at %v: %v", time.Now(), err)
			}
			return c.Leaf
		}
		one := serves()
		time.Sleep(59 * 24 * time.Hour)
		if !serves().Equal(one) {
			t.Error("renewed after 59 of 90 days")
		}
		time.Sleep(2 * 24 * time.Hour)
		two := serves()
		if two.Equal(one) {
			t.Error("not renewed after 61 of 90 days")
		}
		if !authority(t, dir).cert.Equal(first) {
			t.Error("the authority was renewed with the server's certificate")
		}
		time.Sleep(time.Until(first.NotAfter) - 80*24*time.Hour)
		serves()
		if a.cert.Equal(first) || !authority(t, dir).cert.Equal(a.cert) {
			t.Error("an authority near its end was not renewed")
		}
	})
}

func TestAuthorityFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	found := make([]*Authority, 8)
	for i := range found {
		wg.Go(func() {
			var err error
			if found[i], err = OpenAuthority(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, a := range found {
		if !a.cert.Equal(found[0].cert) {
			t.Fatal("processes that start at once have several authorities")
		}
	}
	path := filepath.Join(dir, "tls", "ca.key")
	if left, _ := filepath.Glob(filepath.Join(dir, "tls", "*")); len(left) != 2 {
		t.Errorf("the folder has %v, want ca.key and ca.pem", left)
	}
	if text, err := os.ReadFile(found[0].File()); err != nil || bytes.Contains(text, []byte("PRIVATE")) {
		t.Errorf("ca.pem: %v, or it holds the key", err)
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's mode is %v (%v), want 0600", info.Mode(), err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), "others can read") {
			t.Errorf("a key that others can read: %v", err)
		}
	}
	leaf, err := found[0].current()
	if err != nil {
		t.Fatal(err)
	}
	noAuthority, err := authorityPEM(leaf.PrivateKey.(*ecdsa.PrivateKey), hosts{})
	if err != nil {
		t.Fatal(err)
	}
	key, _, _ := bytes.Cut(noAuthority, []byte("-----BEGIN CERT"))
	for name, text := range map[string][]byte{"nonsense": []byte("nonsense"), "a key alone": key} {
		if err := replaceFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), "remove it") || strings.Contains(err.Error(), "nonsense") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "*.example", "a_b", "localhost:8080", "https://localhost", "-a", "a..b", "a b", strings.Repeat("a", 64)} {
		if _, err := OpenAuthority(t.TempDir(), bad); err == nil || !strings.Contains(err.Error(), "neither a host name") {
			t.Errorf("name %q: %v", bad, err)
		}
	}
}

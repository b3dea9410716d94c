package localgraph

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A client that sends its token over https only needs a certificate that it
// can check. The authority that signs it lies in the folder:
//
//	tls/ca.key  the authority's private key and certificate, mode 0600
//	tls/ca.pem  the certificate alone, for clients to trust
//
// Who has the key could play any host for those who trust the authority, so
// its certificate says for which names it may sign (RFC 5280, section
// 4.2.1.10): this machine's own, and those that it was opened with. A new name
// needs a new certificate; it has the same key, so that clients with the old
// one go on. The server's own certificate is made at each start and kept in
// memory only.

const (
	authorityLife   = 5 * 365 * 24 * time.Hour
	certificateLife = 90 * 24 * time.Hour
	renewAhead      = certificateLife / 3
)

// An Authority signs the certificates of a Server that is put on a port.
type Authority struct {
	file string // of the certificate
	key  *ecdsa.PrivateKey
	own  hosts // what its server's certificate is for

	mu   sync.Mutex // guards the fields below
	cert *x509.Certificate
	leaf *tls.Certificate
}

// hosts are what a certificate holds for.
type hosts struct {
	names []string
	ips   []net.IP
}

// OpenAuthority reads the authority of the folder dir, and makes it when it is
// missing. Besides localhost, 127.0.0.1 and ::1 its certificates hold for
// names: host names and IP addresses.
func OpenAuthority(dir string, names ...string) (*Authority, error) {
	own, err := parseHosts(names)
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: making the folder: %w", err)
	}
	a := &Authority{file: filepath.Join(dir, "ca.pem"), own: own}
	if err := a.load(); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return a, nil
}

// File is the certificate that clients have to trust, in PEM.
func (a *Authority) File() string { return a.file }

// TLS configures a listener. Its certificate is renewed while it runs.
func (a *Authority) TLS() *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.current() }}
}

// A HostError says that a certificate cannot hold for a name.
type HostError struct{ Name string }

func (e *HostError) Error() string {
	return fmt.Sprintf("%q is neither a host name, such as graph.microsoft.com, nor an IP address", e.Name)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

func parseHosts(names []string) (hosts, error) {
	h := hosts{[]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}}
	for _, name := range names {
		name = strings.ToLower(name)
		switch ip := net.ParseIP(name); {
		case ip != nil:
			h.addIP(ip)
		case len(name) <= 253 && hostName.MatchString(name):
			h.addName(name)
		default:
			return hosts{}, &HostError{name}
		}
	}
	return h, nil
}

func (h *hosts) addName(name string) {
	if !slices.Contains(h.names, name) {
		h.names = append(h.names, name)
	}
}

func (h *hosts) addIP(ip net.IP) {
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	if !slices.ContainsFunc(h.ips, ip.Equal) {
		h.ips = append(h.ips, ip)
	}
}

// load reads ca.key, makes it when there is none, and sees to it that the
// certificate allows all names and holds for long enough.
func (a *Authority) load() error {
	path := filepath.Join(filepath.Dir(a.file), "ca.key")
	err := a.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = a.create(path); err == nil {
			err = a.read(path)
		}
	}
	if err != nil {
		return err
	}
	if a.allows(a.own) && time.Until(a.cert.NotAfter) > certificateLife {
		return a.publish()
	}
	return a.reissue()
}

func (a *Authority) read(path string) error {
	const remedy = "remove it, and a new one is made, which clients must be told to trust"
	shared, err := othersRead(path)
	if err != nil {
		return err
	}
	if shared {
		return fmt.Errorf("others can read %s, so anybody could play this server: %s", path, remedy)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// One file holds both, so that there is never a key without its certificate.
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return fmt.Errorf("%s is no key with its certificate: %s", path, remedy)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s is no key of a certificate authority: %s", path, remedy)
	}
	a.key, a.cert = key, pair.Leaf
	return nil
}

// create puts a new authority in place, unless another process just did.
func (a *Authority) create(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	text, err := authorityPEM(key, a.own)
	if err != nil {
		return err
	}
	return placeOnce(path, text)
}

// reissue makes the certificate anew, with the same key, for all names that
// it was ever for.
func (a *Authority) reissue() error {
	all := a.own
	for _, name := range a.cert.PermittedDNSDomains {
		all.addName(name)
	}
	for _, block := range a.cert.PermittedIPRanges {
		if !block.IP.IsLoopback() {
			all.addIP(block.IP)
		}
	}
	text, err := authorityPEM(a.key, all)
	if err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(a.file), "ca.key")
	if err := replaceFile(path, text, 0o600); err != nil {
		return err
	}
	// If we crash here, the next start writes ca.pem.
	if err := a.read(path); err != nil {
		return err
	}
	return a.publish()
}

// publish writes ca.pem if it is not what ca.key says.
func (a *Authority) publish() error {
	want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if have, err := os.ReadFile(a.file); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return replaceFile(a.file, want, 0o644)
}

// allows tells whether the authority's certificate lets it sign for h.
func (a *Authority) allows(h hosts) bool {
	for _, name := range h.names {
		if !slices.Contains(a.cert.PermittedDNSDomains, name) {
			return false
		}
	}
	for _, ip := range h.ips {
		if !slices.ContainsFunc(a.cert.PermittedIPRanges, func(block *net.IPNet) bool { return block.Contains(ip) }) {
			return false
		}
	}
	return true
}

// authorityPEM makes the certificate of an authority that may sign for h, and
// puts it behind its key.
func authorityPEM(key *ecdsa.PrivateKey, h hosts) ([]byte, error) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	// The key is in the name, so that two folders' authorities can be told apart.
	sum := sha256.Sum256(public)
	now := time.Now()
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"importer"}, CommonName: "importer local Graph " + hex.EncodeToString(sum[:4])},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife), // an hour for clocks that differ
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: h.names,
	}
	for _, ip := range h.ips {
		bits := 8 * len(ip)
		ones := bits
		if bits == 32 && ip.IsLoopback() {
			ones = 8 // all of 127.0.0.0/8 is this machine
		}
		mask := net.CIDRMask(ones, bits)
		t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip.Mask(mask), Mask: mask})
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return b.Bytes(), nil
}

// current gives the server's certificate, a new one in the last third of the
// old one's life.
func (a *Authority) current() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf != nil && time.Until(a.leaf.Leaf.NotAfter) > renewAhead {
		return a.leaf, nil
	}
	leaf, err := a.sign()
	if err == nil {
		a.leaf = leaf
	} else if a.leaf == nil || time.Now().After(a.leaf.Leaf.NotAfter) {
		return nil, err
	}
	return a.leaf, nil
}

// sign makes a certificate for the server.
func (a *Authority) sign() (*tls.Certificate, error) {
	if time.Until(a.cert.NotAfter) <= certificateLife { // a server that runs for years
		if err := a.reissue(); err != nil {
			return nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"importer"}, CommonName: "importer local Graph"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              a.own.names, IPAddresses: a.own.ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

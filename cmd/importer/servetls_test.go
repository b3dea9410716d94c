package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair puts a certificate with a number, and its key, into files.
func writePair(t *testing.T, cert, key string, number int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Two writes may fall into one tick of the file system's clock.
	at := time.Now().Add(time.Duration(number) * time.Minute)
	if err := os.Chtimes(cert, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateFilesAreReadAnew(t *testing.T) {
	dir := t.TempDir()
	var warnings bytes.Buffer
	c := &certificateFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), warn: &warnings}
	if err := c.load(); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("files that are not there: %v", err)
	}
	number := func() int64 { return c.current().Leaf.SerialNumber.Int64() }
	writePair(t, c.cert, c.key, 1)
	if err := c.load(); err != nil || number() != 1 {
		t.Fatalf("load: %v", err)
	}
	writePair(t, c.cert, c.key, 2)
	if number() != 2 {
		t.Error("a new certificate is not read")
	}
	// Half of a renewal: the certificate is there, its key is not yet.
	whole, err := os.ReadFile(c.key)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, c.cert, filepath.Join(dir, "other.pem"), 3)
	for range 2 {
		if number() != 2 {
			t.Error("a certificate without its key is used")
		}
	}
	if got := warnings.String(); strings.Count(got, "warning: the certificate that was read before is used further") != 1 {
		t.Errorf("warnings: %q, want one", got)
	}
	if other, err := os.ReadFile(filepath.Join(dir, "other.pem")); err != nil || os.WriteFile(c.key, append(other, '\n'), 0o600) != nil {
		t.Fatal(err)
	}
	if number() != 3 {
		t.Error("the rest of the renewal is not read")
	}
	if bytes.Contains(warnings.Bytes(), whole[30:60]) {
		t.Error("a warning tells the key")
	}
}

package localgraph

import (
	"net/http"
	"time"
)

// HTTPServer is a server for a port, with the limits that a peer who cannot be
// trusted needs: a connection that sends its headers slowly is cut after 10 s,
// one that sends a body slowly after 5 minutes (30 MB over a slow line), one
// that does not read its answer after 10, and an idle one after 2.
//
// HTTP/2 is spoken with TLS and, to clients that begin with it (h2c with prior
// knowledge), without.
func (s *Server) HTTPServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute,
		WriteTimeout:      10 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

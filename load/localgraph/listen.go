package localgraph

import (
	"net/http"
	"time"
)

// HTTPServer is a server for a port, with the limits that a peer who cannot be
// trusted needs: a connection that sends its headers slowly is cut after 10 s,
// one that sends a body slowly after 5 minutes (30 MB over a slow line), one
// that does not read its answer after 10, and an idle one after 2.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute,
		WriteTimeout:      10 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

package extract

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	serveScriptsIfAsked()
	ServeWorkerIfAsked()
	code := m.Run()
	CloseWorkers()
	os.Exit(code)
}

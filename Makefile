# Every target works from a clean clone on a machine that has Go.

GO      ?= go
BIN     ?= bin/importer
# A corpus of real files for the tests, when there is one.
export IMPORTER_CORPUS

.PHONY: build test race check bench bench-pdf bench-rate bench-scale bench-search score clients fuzz samples pdfium deps

build: ## the program, in bin/
	$(GO) build -trimpath -ldflags="-s -w" -o $(BIN) ./cmd/importer

test: deps ## every test
	$(GO) test ./...

race: ## the tests under the race detector; the longest of them are shortened
	$(GO) test -race -short -timeout 20m ./...

check: ## format, vet, staticcheck
	@test -z "$$(gofmt -l cmd extract load pipeline samples transform)" || { gofmt -l cmd extract load pipeline samples transform; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: build ## speed and memory, as ratios measured side by side in one run
	$(GO) run ./cmd/importer/internal/bench -bin $(BIN)

bench-rate: build ## how well a run uses a service's limit; takes 80 minutes
	$(GO) run ./cmd/importer/internal/ratebench -bin $(BIN)

bench-scale: build ## crawls of 10,000 to 10,000,000 rows: the cost must not grow faster than they do
	$(GO) run ./cmd/importer/internal/bench -bin $(BIN) -scale 10000000

bench-search: ## CPU of each class of search over 200,000 items of the local Graph, beside its goal
	$(GO) test -v -run '^$$' -bench 'Search' -benchtime 20x -timeout 60m ./load/localgraph

bench-pdf: deps ## what PDFs cost: a page, a small file, a start, and a scanned page by OCR with the words that are right
	$(GO) test -run '^$$' -bench PDF -benchtime 3x ./extract
	$(GO) test -run '^$$' -bench OCR -benchtime 1x ./extract

score: deps ## how well real files are read, as the table that the tests hold
	$(GO) run ./cmd/importer/internal/score -o extract/testdata/scores.md
	@cat extract/testdata/scores.md

clients: build ## Graph clients of others against importer serve; they need Node.js, npm's registry and the Go module proxy
	$(GO) run ./cmd/importer/internal/runclients -bin $(BIN)

fuzz: ## every fuzz test for a minute each
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s $$pkg || exit 1; \
	  done; done

samples: ## make samples/ anew, and the items that they become
	$(GO) run ./samples/gen -o samples
	$(GO) test ./cmd/importer -run TestSamples -update

pdfium: ## PDFium without what is not called, after a change of go-pdfium or of what is called
	$(GO) run ./cmd/importer/internal/trimpdfium

# pdftotext and mutool give the reference text that some tests compare with, and
# tesseract reads pictures. What needs them is skipped, and says so, where they
# are not installed and cannot be.
DEPS = poppler-utils mupdf-tools fonts-droid-fallback tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu tesseract-ocr-fra tesseract-ocr-osd fonts-liberation fonts-dejavu-core
deps:
	@if command -v pdftotext && command -v mutool && command -v tesseract; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DEPS); } || \
	    echo 'not all of $(DEPS) could be installed; the tests that need them are skipped' >&2; \
	else echo 'pdftotext, mutool and tesseract are not all installed (Debian: $(DEPS)); the tests that need them are skipped' >&2; fi >/dev/null

package extract

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// This file reads PDFs in the workers of sandbox.go, and starts a second
// attempt at those that the first worker dies of.

// runPDF gives the frames of a document, in a worker where that is possible.
// It ends with a *pdfError, another error, or none when the last page came.
func runPDF(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	if !hooked.Load() {
		return inProcess(ctx, req)
	}
	return workers.run(ctx, req)
}

// inProcess reads without a net. It is for programs that do not call
// ServeWorkerIfAsked.
func inProcess(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	return func(yield func(pdfFrame, error) bool) {
		r := newPDFReader()
		defer r.close()
		err := r.read(req, func(f pdfFrame) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(f, nil) {
				return errBreak
			}
			return nil
		})
		if err != nil && err != errBreak {
			yield(pdfFrame{}, err)
		}
	}
}

// A pdfDeath is the end of a worker in the middle of a PDF.
type pdfDeath struct {
	workerDeath
	opened bool
	page   int  // the last that was told
	rescue bool // the second engine was at work
	ocr    bool // the page was being drawn for OCR, or read by it
	files  bool // the files inside were being read
}

func (e *pdfDeath) Unwrap() error { return &e.workerDeath }

// run reads a document in a worker. When the worker dies of it, a second one
// goes on after the last page told, without what was at work then; a second
// death ends the document.
func (p *workerPool) run(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	return func(yield func(pdfFrame, error) bool) {
		told := map[frameKind]bool{}
		give := func(f pdfFrame) bool {
			if f.Kind == frameOpen || f.Kind == frameFiles {
				if told[f.Kind] {
					return true // the second attempt's
				}
				told[f.Kind] = true
			}
			return yield(f, nil)
		}
		err := p.attempt(ctx, req, give)
		if death, ok := errors.AsType[*pdfDeath](err); ok {
			if again, note, ok := death.retry(req); ok {
				if note != "" && !give(pdfFrame{Kind: frameNote, Text: note}) {
					return
				}
				err = p.attempt(ctx, again, give)
			}
		}
		if death, ok := errors.AsType[*pdfDeath](err); ok {
			err = &pdfError{death.reason, death.detail}
		}
		if err != nil && err != errBreak {
			yield(pdfFrame{}, err)
		}
	}
}

// retry is the request for a second attempt, false when there is no other
// engine to try.
func (e *pdfDeath) retry(req pdfRequest) (again pdfRequest, note string, ok bool) {
	again = req
	if req.Engine == engineFacts && !e.opened && !req.NoRescue && havePDFium {
		again.NoRescue = true
		return again, "", true // PDFium reads it as well
	}
	if req.Engine != engineAuto && !e.ocr && !e.files || !havePDFium {
		return again, "", false
	}
	again.From = e.page + 1
	switch {
	case e.files:
		again.NoFiles = true
		note = "what is attached was given up: " + e.detail
	case e.rescue:
		again.NoRescue = true
		note = fmt.Sprintf("page %d was given up for text by the second engine: %s", e.page+1, e.detail)
	case e.ocr:
		again.SkipOCR = e.page + 1
		note = fmt.Sprintf("page %d was given up for OCR: %s", e.page+1, e.detail)
	case e.opened:
		again.Skip = e.page + 1
		note = fmt.Sprintf("PDFium was stopped on page %d: %s", e.page+1, e.detail)
	default:
		again.Engine, again.From = engineLedongthuc, 0
		note = "PDFium could not open the file; ledongthuc read it, whose text may be poorer: " + e.detail
	}
	return again, note, true
}

// attempt gives one worker's frames of a document to yield.
func (p *workerPool) attempt(ctx context.Context, req pdfRequest, yield func(pdfFrame) bool) error {
	return p.use(ctx, func(w *worker) error { return w.servePDF(req, yield) })
}

// servePDF has the worker read one document. Its error is errBreak, a *pdfError
// that the worker tells, or a *pdfDeath, after which it is of no more use.
func (w *worker) servePDF(req pdfRequest, yield func(pdfFrame) bool) error {
	death := &pdfDeath{workerDeath: workerDeath{stale: w.served}, page: max(0, req.From-1)}
	clock := newPDFClock(req.Time, req.Memory)
	most := 6*req.MaxText + frameOverhead

	err := writeMessage(w.in, workerRequest{PDF: &req, Memory: clock.memory})
	for err == nil {
		var f pdfFrame
		if err = w.next(clock, most, &f); err != nil {
			break
		}
		w.served, death.stale = true, false
		switch f.Kind {
		case frameReady:
			clock.ready()
			continue
		case frameEnd:
			return nil
		case frameFail:
			return &pdfError{f.Reason, f.Detail}
		case frameRescue:
			death.rescue = true
			continue
		case frameOCR:
			death.ocr = true
			clock.extend(req.OCR.time())
			continue
		case frameUnpack:
			death.files = true
			continue
		case frameFiles:
			death.files = false
		case frameOpen:
			if f.Facts == nil || f.Facts.Pages < 0 {
				err = errMessage
				continue
			}
			death.opened = true
			clock.pages(f.Facts.Pages)
		case framePage:
			if f.Page <= death.page || !death.opened {
				err = errMessage
				continue
			}
			death.page, death.rescue, death.ocr, death.files = f.Page, false, false, false
			clock.extra = 0
		}
		if !yield(f) {
			return errBreak
		}
	}
	w.die(&death.workerDeath, err, clock, "the PDF engine", "a PDF viewer")
	return death
}

// newPDFClock has the limits of a PDF; zeros are the defaults. Those of time
// grow with its pages, when they are known.
func newPDFClock(limit time.Duration, memory int64) *workerClock {
	c := &workerClock{silence: pdfTime, total: pdfTime, memory: orDefault(memory, workerMemory)}
	if limit > 0 {
		c.silence, c.total, c.fixed = limit, limit, true
	}
	return c
}

func (c *workerClock) pages(n int) {
	if !c.fixed {
		c.total = pdfTime + time.Duration(n)*pdfTimePerPage
	}
}

package extract

// Detect chooses the format of in: by opt.Format, then by content, then by
// the name's extension. Its error is a *FileError.
func Detect(in Input, opt Options) (*Format, error) {
	return nil, &FileError{Place: Place{File: in.Name}, Reason: ReasonUnsupported, Detail: "not read yet"}
}

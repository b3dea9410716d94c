package localgraph

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A rule is one choice of Options as it is written on a command line.
type rule struct {
	name string
	form string // an example of its value; "" takes none
	set  func(o *Options, text string) error
}

var rules = []rule{
	{"itemSize", "30MB", func(o *Options, s string) (err error) {
		o.MaxItemBytes, err = parseBytes(s)
		return err
	}},
	{"searchPage", "1000", func(o *Options, s string) (err error) {
		if o.MaxPage, err = strconv.Atoi(s); err == nil && o.MaxPage < 1 {
			err = errForm
		}
		return err
	}},
	flagRule("requireDescription", func(o *Options) *bool { return &o.RequireDescription }),
	flagRule("requireObjectIds", func(o *Options) *bool { return &o.RequireObjectIDs }),
	flagRule("replaceOnPut", func(o *Options) *bool { return &o.ReplaceOnPut }),
	flagRule("allowNull", func(o *Options) *bool { return &o.AllowNullProperties }),
	flagRule("allowLooseDates", func(o *Options) *bool { return &o.AllowLooseDates }),
	flagRule("allowDuplicateNames", func(o *Options) *bool { return &o.AllowDuplicateNames }),
	flagRule("alwaysNewEnums", func(o *Options) *bool { return &o.AlwaysNewEnums }),
	flagRule("listItems", func(o *Options) *bool { return &o.ListItems }),
}

func flagRule(name string, field func(*Options) *bool) rule {
	return rule{name, "", func(o *Options, s string) error {
		if s != "" {
			return errForm
		}
		*field(o) = true
		return nil
	}}
}

// SetRules reads choices where the documents disagree, such as
// itemSize=30MB,listItems, into the options.
func (o *Options) SetRules(text string) error {
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, given := strings.Cut(part, "=")
		if err := o.setRule(strings.TrimSpace(name), strings.TrimSpace(value), given); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) setRule(name, value string, given bool) error {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
		if r.name != name {
			continue
		}
		switch err := r.set(o, value); {
		case err == nil && given == (r.form != ""):
			return nil
		case r.form == "":
			return fmt.Errorf("rules: %s takes no value", name)
		}
		return fmt.Errorf("rules: %s=%s: the value must be like %s", name, value, r.form)
	}
	return fmt.Errorf("rules: %q is none of %s", name, strings.Join(names, ", "))
}

// parseBytes reads 30MB, 4000000 and the like; a MB is a million bytes, as in
// the documents.
func parseBytes(text string) (int64, error) {
	digits, unit := strings.TrimRight(text, "kKMBb"), int64(1)
	switch strings.ToUpper(text[len(digits):]) {
	case "", "B":
	case "KB":
		unit = 1000
	case "MB":
		unit = 1_000_000
	default:
		return 0, errForm
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > 1_000_000_000/unit {
		return 0, errors.Join(err, errForm)
	}
	return n * unit, nil
}

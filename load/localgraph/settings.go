package localgraph

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The settings of a connection, as they are kept. What a client says beside
// these members is dropped, so that an answer holds what the model has and no
// more; the layout of a template is any JSON object, and configuration is an
// open type.
type (
	searchSettings struct {
		Templates []displayTemplate `json:"searchResultTemplates"`
	}
	displayTemplate struct {
		ID       string          `json:"id"`
		Priority *int32          `json:"priority,omitempty"`
		Layout   json.RawMessage `json:"layout,omitempty"`
		Rules    []propertyRule  `json:"rules,omitempty"`
	}
	propertyRule struct {
		Property  string   `json:"property"`
		Operation string   `json:"operation,omitempty"`
		Values    []string `json:"values"`
		JoinedBy  string   `json:"valuesJoinedBy,omitempty"`
	}
	activitySettings struct {
		Resolvers []resolver `json:"urlToItemResolvers"`
	}
	resolver struct {
		Type     string    `json:"@odata.type"`
		Priority *int32    `json:"priority"`
		ItemID   string    `json:"itemId"`
		Match    *urlMatch `json:"urlMatchInfo"`
	}
	urlMatch struct {
		BaseURLs []string `json:"baseUrls"`
		Pattern  *string  `json:"urlPattern"`
	}
)

const resolverType = "#microsoft.graph.externalConnectors.itemIdResolver"

var ruleOperations = []string{"null", "equals", "notEquals", "contains", "notContains", "lessThan", "greaterThan", "startsWith"}

// kept reads one setting into v, checks it, and gives what to keep of it.
func kept(name string, raw json.RawMessage, v any, check func() error) (json.RawMessage, error) {
	if isNull(raw) {
		return nil, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, malformed("%s: %q must be %s, not %s", name, e.Field, jsonName(e.Type.Kind().String()), e.Value)
		}
		return nil, malformed("%s: %v", name, err)
	}
	if err := check(); err != nil {
		return nil, err
	}
	return plainJSON(v)
}

// plainJSON is json.Marshal with HTML characters as themselves.
func plainJSON(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(buf.Bytes()), err
}

func (s *searchSettings) check() error {
	if s.Templates == nil {
		s.Templates = []displayTemplate{}
	}
	if len(s.Templates) > 2 {
		return badRequest("searchSettings: at most 2 searchResultTemplates, not %d", len(s.Templates))
	}
	for i := range s.Templates {
		t := &s.Templates[i]
		if t.ID == "" || len(t.ID) > 16 || strings.ContainsFunc(t.ID, func(r rune) bool { return !alphanumeric(r) }) {
			return badRequest("searchSettings: the template id %q must be 1 to 16 letters and digits", t.ID)
		}
		if slices.ContainsFunc(s.Templates[:i], func(o displayTemplate) bool { return o.ID == t.ID }) {
			return badRequest("searchSettings: the template id %q is used twice", t.ID)
		}
		if isNull(t.Layout) {
			t.Layout = nil
		} else if kindOf(t.Layout) != '{' {
			return badRequest("searchSettings: the layout of template %q must be a JSON object", t.ID)
		}
		for k := range t.Rules {
			if err := t.Rules[k].check(t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *propertyRule) check(template string) error {
	var ok bool
	if r.Operation, ok = spelled(append(slices.Clip(ruleOperations), ""), r.Operation); !ok {
		return badRequest("searchSettings: a rule of template %q has an operation that is not one of %s", template, strings.Join(ruleOperations, ", "))
	}
	if r.JoinedBy, ok = spelled([]string{"and", "or", ""}, r.JoinedBy); !ok {
		return badRequest("searchSettings: a rule of template %q has valuesJoinedBy that is neither and nor or", template)
	}
	r.Values = nonNil(r.Values)
	return nil
}

func (s *activitySettings) check() error {
	if s.Resolvers == nil {
		s.Resolvers = []resolver{}
	}
	for i := range s.Resolvers {
		r := &s.Resolvers[i]
		if strings.TrimPrefix(r.Type, "#") != resolverType[1:] {
			return malformed("activitySettings: each of urlToItemResolvers needs \"@odata.type\": %q", resolverType)
		}
		r.Type = resolverType
		if r.Match != nil {
			r.Match.BaseURLs = nonNil(r.Match.BaseURLs)
		}
	}
	return nil
}

// authorizedApps reads what checkConfiguration has kept.
func authorizedApps(configuration json.RawMessage) []string {
	var c struct{ AuthorizedAppIDs []string }
	_ = json.Unmarshal(configuration, &c) // nothing, or checked when it was stored
	return c.AuthorizedAppIDs
}

// checkConfiguration knows one member of an open type: the apps that may
// manage the connection beside its creator.
func checkConfiguration(raw json.RawMessage) (json.RawMessage, error) {
	var open map[string]json.RawMessage
	return kept("configuration", raw, &open, func() error {
		apps, ok := open["authorizedAppIds"]
		if !ok {
			return nil
		}
		var ids []string
		if err := json.Unmarshal(apps, &ids); err != nil {
			return malformed("configuration: authorizedAppIds must be an array of strings")
		}
		var err error
		open["authorizedAppIds"], err = plainJSON(nonNil(ids))
		return err
	})
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

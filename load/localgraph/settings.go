package localgraph

import (
	"bytes"
	"encoding/json"
	"fmt"
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
		return nil, malformed("%s: %v", name, unreadable("the setting", err))
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

func (s *searchSettings) check() (err error) {
	s.Templates, err = checkTemplates("searchSettings", "searchResultTemplates", s.Templates)
	return err
}

// checkTemplates checks the cards of a setting.
func checkTemplates(setting, member string, list []displayTemplate) ([]displayTemplate, error) {
	bad := func(format string, args ...any) ([]displayTemplate, error) {
		return nil, badRequest("%s: %s", setting, fmt.Sprintf(format, args...))
	}
	if len(list) > 2 {
		return bad("at most 2 %s, not %d", member, len(list))
	}
	for i := range list {
		t := &list[i]
		if t.ID == "" || len(t.ID) > 16 || strings.ContainsFunc(t.ID, func(r rune) bool { return !alphanumeric(r) }) {
			return bad("the template id %q must be 1 to 16 letters and digits", t.ID)
		}
		if slices.ContainsFunc(list[:i], func(o displayTemplate) bool { return o.ID == t.ID }) {
			return bad("the template id %q is used twice", t.ID)
		}
		if t.Priority != nil && *t.Priority < 0 {
			return bad("the priority of template %q must be positive, not %d", t.ID, *t.Priority)
		}
		if isNull(t.Layout) {
			t.Layout = nil
		} else if kindOf(t.Layout) != '{' {
			return bad("the layout of template %q must be a JSON object", t.ID)
		}
		for k := range t.Rules {
			if err := t.Rules[k].check(setting, t.ID); err != nil {
				return nil, err
			}
		}
	}
	if list == nil {
		list = []displayTemplate{}
	}
	return list, nil
}

// brokenCard names the first template of a connection's search settings whose
// layout is no Adaptive Card.
func brokenCard(settings json.RawMessage) (id string) {
	var s searchSettings
	_ = json.Unmarshal(settings, &s) // nothing, or checked by kept
	for _, t := range s.Templates {
		var card struct{ Type string }
		if t.Layout != nil && (json.Unmarshal(t.Layout, &card) != nil || card.Type != "AdaptiveCard") {
			return t.ID
		}
	}
	return ""
}

func (r *propertyRule) check(setting, template string) error {
	var ok bool
	if r.Operation, ok = spelled(append(slices.Clip(ruleOperations), ""), r.Operation); !ok {
		return badRequest("%s: a rule of template %q has an operation that is not one of %s", setting, template, strings.Join(ruleOperations, ", "))
	}
	if r.JoinedBy, ok = spelled([]string{"and", "or", ""}, r.JoinedBy); !ok {
		return badRequest("%s: a rule of template %q has valuesJoinedBy that is neither and nor or", setting, template)
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

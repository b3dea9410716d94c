package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"importer/transform"
)

// The part of Entra ID's directory that tells whom names are. Names travel as
// the values of a $filter, 15 at most (the page of the filter parameter), and
// the requests in a $batch, so that one round trip answers up to 300 names.

const needDirectory permission = "User.Read.All, and for groups GroupMember.Read.All,"

const maxFilterValues = 15

// maxName is the longest name that is asked for, in bytes: no property of the
// directory that names are looked for in has more characters.
const maxName = 256

// A directoryProperty is one that names are looked for in.
type directoryProperty struct {
	name  string
	value func(o *directoryObject) string
}

var directoryProperties = map[string]directoryProperty{
	"mail":              {"mail", func(o *directoryObject) string { return o.Mail }},
	"userPrincipalName": {"userPrincipalName", func(o *directoryObject) string { return o.UPN }},
	"displayName":       {"displayName", func(o *directoryObject) string { return o.DisplayName }},
	"employeeId":        {"employeeId", func(o *directoryObject) string { return o.EmployeeID }},
	"samAccountName":    {"onPremisesSamAccountName", func(o *directoryObject) string { return o.SAM }},
	"sid":               {"onPremisesSecurityIdentifier", func(o *directoryObject) string { return o.SID }},
}

// A directoryObject is a user or a group.
type directoryObject struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Mail        string `json:"mail"`
	UPN         string `json:"userPrincipalName"`
	EmployeeID  string `json:"employeeId"`
	SAM         string `json:"onPremisesSamAccountName"`
	SID         string `json:"onPremisesSecurityIdentifier"`
}

type directoryPage struct {
	Value []directoryObject `json:"value"`
	Next  string            `json:"@odata.nextLink"`
}

// A question is a request for names of one kind that are looked for in the
// same properties.
type question struct {
	kind  string
	in    []directoryProperty
	names []int // of those that are asked for
}

// lookedForIn are the properties in which a name may stand. match are those
// that a mapping wants beside the mail, the UPN and the SID.
func lookedForIn(n transform.Name, match []string) (in []directoryProperty) {
	add := func(names ...string) {
		for _, name := range names {
			in = append(in, directoryProperties[name])
		}
	}
	switch {
	case n.Text == "" || len(n.Text) > maxName:
	case strings.HasPrefix(n.Text, "s-1-"):
		add("sid")
	case n.Kind == "group":
		if strings.Contains(n.Text, "@") {
			add("mail")
			break
		}
		for _, name := range match {
			if name == "displayName" || name == "samAccountName" {
				add(name)
			}
		}
	case strings.Contains(n.Text, "@"):
		add("mail", "userPrincipalName")
	default:
		for _, name := range match {
			if name == "displayName" || name == "samAccountName" || name == "employeeId" {
				add(name)
			}
		}
	}
	return in
}

// LookUp asks Entra ID whom names are. The answers are parallel to names. A
// name that two have, be it in different properties, is several's. Its error
// is an *AuthError when the app may not read the directory, with the
// permission that it lacks.
func (g *Graph) LookUp(ctx context.Context, names []transform.Name, match []string) ([]transform.Found, error) {
	found := make([]transform.Found, len(names))
	for part := range slices.Chunk(questions(names, match), maxInEnvelope) {
		if err := g.ask(ctx, names, found, part); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func questions(names []transform.Name, match []string) (all []*question) {
	open := map[string]*question{}
	for i, n := range names {
		in := lookedForIn(n, match)
		if len(in) == 0 {
			continue
		}
		key := n.Kind
		for _, p := range in {
			key += " " + p.name
		}
		q := open[key]
		if q == nil || (len(q.names)+1)*len(in) > maxFilterValues {
			q = &question{kind: n.Kind, in: in}
			open[key] = q
			all = append(all, q)
		}
		q.names = append(q.names, i)
	}
	return all
}

// path is where the question is asked, and query what is asked.
func (q *question) path() string { return "/" + q.kind + "s" }

func (q *question) query(names []transform.Name) string {
	values := ""
	for n, i := range q.names {
		if n > 0 {
			values += ","
		}
		values += "'" + strings.ReplaceAll(names[i].Text, "'", "''") + "'"
	}
	fields := []string{"id", "displayName", "mail"}
	if q.kind == "user" {
		fields = append(fields, "userPrincipalName")
	}
	var filter []string
	for _, p := range q.in {
		filter = append(filter, p.name+" in ("+values+")")
		if !slices.Contains(fields, p.name) {
			fields = append(fields, p.name)
		}
	}
	// $count goes with the header ConsistencyLevel, without which some
	// properties cannot be filtered by (the page of advanced queries).
	return "$filter=" + escapeSegment(strings.Join(filter, " or ")) + "&$select=" + strings.Join(fields, ",") + "&$count=true&$top=999"
}

// take notes what an answer says.
func (q *question) take(names []transform.Name, found []transform.Found, page directoryPage) {
	for _, o := range page.Value {
		for _, i := range q.names {
			if !slices.ContainsFunc(q.in, func(p directoryProperty) bool {
				return strings.EqualFold(strings.TrimSpace(p.value(&o)), names[i].Text)
			}) {
				continue
			}
			f := &found[i]
			switch id := strings.ToLower(o.ID); {
			case id == "" || f.ID == id:
			case f.ID != "" || f.Several:
				*f = transform.Found{Several: true}
			default:
				*f = transform.Found{ID: id, DisplayName: o.DisplayName, Mail: o.Mail, UPN: o.UPN}
			}
		}
	}
}

type lookUpRequest struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

type lookUpAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// ask asks questions in one $batch, and those again that the service puts off.
func (g *Graph) ask(ctx context.Context, names []transform.Name, found []transform.Found, open []*question) error {
	d := drought{Retry: g.opt.Retry}
	for {
		left, err := g.askOnce(ctx, names, found, open)
		if len(left) == 0 || err == nil {
			return err
		}
		if len(left) < len(open) {
			d.ended()
		}
		if err := g.again(ctx, &d, err); err != nil {
			return err
		}
		open = left
	}
}

// askOnce gives the questions that have no answer, with why.
func (g *Graph) askOnce(ctx context.Context, names []transform.Name, found []transform.Found, open []*question) (left []*question, err error) {
	var batch struct {
		Requests []lookUpRequest `json:"requests"`
	}
	for n, q := range open {
		batch.Requests = append(batch.Requests, lookUpRequest{ID: strconv.Itoa(n + 1), Method: http.MethodGet, URL: q.path() + "?" + q.query(names),
			Headers: map[string]string{"ConsistencyLevel": "eventual"}})
	}
	var reply struct {
		Responses []lookUpAnswer `json:"responses"`
	}
	if err := g.doJSON(ctx, call{method: http.MethodPost, path: "/$batch", directory: true}, needDirectory, batch, &reply); err != nil {
		return nil, err
	}
	answers := map[string]*lookUpAnswer{}
	for i := range reply.Responses {
		answers[reply.Responses[i].ID] = &reply.Responses[i]
	}
	for n, q := range open {
		failed := g.answer(ctx, names, found, q, answers[strconv.Itoa(n+1)])
		switch {
		case failed == nil:
		case !retryable(failed):
			return nil, failed
		default:
			left = append(left, q)
			if err == nil || afterOf(failed) > afterOf(err) {
				err = failed
			}
		}
	}
	return left, err
}

func afterOf(err error) (after int64) {
	if api, ok := err.(*APIError); ok {
		return int64(api.After)
	}
	return 0
}

// answer takes the answer to a question, and further pages of it.
func (g *Graph) answer(ctx context.Context, names []transform.Name, found []transform.Found, q *question, a *lookUpAnswer) error {
	if a == nil {
		return fmt.Errorf("GET %s: the $batch has no answer to it", q.path())
	}
	if a.Status/100 != 2 {
		resp := &http.Response{StatusCode: a.Status, Header: http.Header{}}
		for k, v := range a.Headers {
			resp.Header.Set(k, v)
		}
		return g.explain(newAPIError(call{method: http.MethodGet, path: q.path()}, resp, a.Body, ""), needDirectory)
	}
	var page directoryPage
	if err := json.Unmarshal(a.Body, &page); err != nil {
		return fmt.Errorf("GET %s: the answer is not what the API describes: %w", q.path(), err)
	}
	for pages := 1; ; pages++ {
		q.take(names, found, page)
		if page.Next == "" {
			return nil
		}
		if pages == maxPages {
			return &finalError{fmt.Errorf("GET %s: the pages of the answer go in circles", q.path())}
		}
		query, err := nextQuery(page.Next)
		if err != nil {
			return &finalError{fmt.Errorf("GET %s: %w", q.path(), err)}
		}
		page = directoryPage{}
		if err := g.doJSON(ctx, call{method: http.MethodGet, path: q.path(), query: query, directory: true}, needDirectory, nil, &page); err != nil {
			return err
		}
	}
}

// A Person is a user of the directory.
type Person struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName,omitempty"`
	Mail        string `json:"mail,omitempty"`
	UPN         string `json:"userPrincipalName,omitempty"`
	UserType    string `json:"userType,omitempty"` // Member or Guest
}

// Guest tells whether everyoneExceptGuests leaves the person out.
func (p *Person) Guest() bool {
	return strings.EqualFold(p.UserType, "guest") || p.UserType == "" && strings.Contains(strings.ToUpper(p.UPN), "#EXT#")
}

const personFields = "$select=id,displayName,mail,userPrincipalName,userType"

// Person finds a user by object id, UPN or mail address; nil is that there is
// none. A name that several have is an error.
func (g *Graph) Person(ctx context.Context, name string) (*Person, error) {
	var p Person
	err := g.doJSON(ctx, call{method: http.MethodGet, path: "/users/" + escapeSegment(name), query: personFields, directory: true}, needDirectory, nil, &p)
	if !notFound(err) {
		return &p, err
	}
	found, err := g.LookUp(ctx, []transform.Name{{Kind: "user", Text: strings.ToLower(strings.TrimSpace(name))}}, nil)
	switch {
	case err != nil:
		return nil, err
	case found[0].Several:
		return nil, fmt.Errorf("several people are %s: name one by object id", name)
	case found[0].ID == "" || strings.EqualFold(found[0].ID, name):
		return nil, nil
	}
	return g.Person(ctx, found[0].ID)
}

// A DirectoryGroup is a group that a user is in.
type DirectoryGroup struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Direct      bool   `json:"-"` // not only through other groups
}

// GroupsOf lists the directory groups that a user is in, directly and through
// others.
func (g *Graph) GroupsOf(ctx context.Context, user string) ([]DirectoryGroup, error) {
	direct := map[string]bool{}
	var all []DirectoryGroup
	for _, set := range []string{"memberOf", "transitiveMemberOf"} {
		path := "/users/" + escapeSegment(user) + "/" + set + "/microsoft.graph.group"
		for query, pages := "$select=id,displayName", 0; query != ""; pages++ {
			var page struct {
				Value []DirectoryGroup `json:"value"`
				Next  string           `json:"@odata.nextLink"`
			}
			if pages == maxPages {
				return nil, &finalError{fmt.Errorf("GET %s: the pages of the answer go in circles", path)}
			}
			err := g.doJSON(ctx, call{method: http.MethodGet, path: path, query: query, directory: true}, needDirectory, nil, &page)
			if err != nil {
				return nil, err
			}
			for _, group := range page.Value {
				group.ID = strings.ToLower(group.ID)
				if set == "memberOf" {
					direct[group.ID] = true
					continue
				}
				group.Direct = direct[group.ID]
				all = append(all, group)
			}
			query = ""
			if page.Next != "" {
				if query, err = nextQuery(page.Next); err != nil {
					return nil, &finalError{fmt.Errorf("GET %s: %w", path, err)}
				}
			}
		}
	}
	return all, nil
}

// KnowsPeople tells whether there is anybody in the directory: that of a local
// Graph may be empty.
func (g *Graph) KnowsPeople(ctx context.Context) (bool, error) {
	var page directoryPage
	err := g.doJSON(ctx, call{method: http.MethodGet, path: "/users", query: "$top=1&$select=id", directory: true}, needDirectory, nil, &page)
	return len(page.Value) > 0, err
}

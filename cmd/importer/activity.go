package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importer/load"
)

func (a *app) activityCommand() *cobra.Command {
	return group("activity", "Activities: what people did with an item",
		`activity tells the service what people did with an item, by which it recommends
items. Activities cannot be read back or taken back. A mapping adds those of its
activities key when an item is sent.`,
		a.activityAdd())
}

// An activityFlags is what somebody did, as typed.
type activityFlags struct {
	adminFlags
	kind, at, by, byType string
	file                 string
}

func (a *app) activityAdd() *cobra.Command {
	var f activityFlags
	cmd := &cobra.Command{
		Use:   "add ITEM",
		Short: "Add activities to an item",
		Long: `add adds an activity, or those of a file: a list of externalActivity objects of
the API, {"activities": [...]}, or one object a line. They are sent 20 a call, as
many as the service takes. Those that it refuses are told of, and the others are
added; the exit code is then 1.

Microsoft 365 shows no activity that is older than 7 days.`,
		Example: `  importer activity add INC-10063 --type viewed --at now --by 5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47 -c contosohelpdesk
  importer activity add INC-10063 --file activities.json -c contosohelpdesk`,
		Args: takes("the id of an item", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.addActivities(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "type", "", "what was done: "+strings.Join(activityKinds, ", "))
	fl.StringVar(&f.at, "at", "", "when: a `time` such as 2026-05-01T08:00:00Z, a day, or now")
	fl.StringVar(&f.by, "by", "", "who: the object `id` of a person in Entra ID; in the local Graph a mail address as well")
	fl.StringVar(&f.byType, "by-type", "user", "what --by is: "+strings.Join(identityKinds, ", "))
	fl.StringVar(&f.file, "file", "", "a `file` with activities as JSON (- is stdin), instead of the other flags")
	return cmd
}

// The members of the API's enums that this program knows; the service may take
// more of them from a file.
var (
	activityKinds = []string{"viewed", "modified", "created", "commented"}
	identityKinds = []string{"user", "group", "externalGroup"}
)

// staleActivity is the age from which Microsoft 365 shows an activity no more
// (page on activities).
const staleActivity = 7 * 24 * time.Hour

func (a *app) addActivities(ctx context.Context, f *activityFlags, item string) (err error) {
	list, err := a.activities(f)
	if err != nil {
		return err
	}
	t, err := a.admin(ctx, &f.adminFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	if f.file == "" {
		if list[0].By.ID, err = t.principal(ctx, f.byType, f.by); err != nil {
			return err
		}
	}
	results, err := t.graph.AddActivities(ctx, item, list)
	refused, printErr := a.printActivities(f, list, results)
	if err != nil {
		if len(results) > 0 {
			a.warn("%s answered before that", count(int64(len(results)), "activity was", "activities were"))
		}
		return t.absent(ctx, err, "item", item, "")
	}
	if printErr != nil {
		return printErr
	}
	if refused > 0 {
		was := map[bool]string{true: "was", false: "were"}[refused == 1]
		return fmt.Errorf("%s of %s %s refused", number(int64(refused)), count(int64(len(list)), "activity", "activities"), was)
	}
	a.say("%s added to %s", count(int64(len(list)), "activity is", "activities are"), item)
	return nil
}

// printActivities tells of each activity that was refused, and with --json of
// all in the API's form.
func (a *app) printActivities(f *activityFlags, list []load.Activity, results []load.Document[load.ActivityResult]) (refused int, err error) {
	for i, r := range results {
		if fault := r.Value.Fault(); fault != "" {
			refused++
			where := ""
			if f.file != "" {
				where = fmt.Sprintf("%s: activity %d: ", inputName(f.file), i+1)
			}
			fmt.Fprintf(a.stderr, "%s%s at %s is refused: %s\n", where, list[i].Type, list[i].Start, fault)
		}
		if a.json {
			if err := a.printJSON(r); err != nil {
				return refused, err
			}
		}
	}
	return refused, nil
}

// activities are those of the flags or of the file.
func (a *app) activities(f *activityFlags) ([]load.Activity, error) {
	if f.file != "" {
		if f.kind != "" || f.at != "" || f.by != "" {
			return nil, usageError{errors.New("--file has the activities, and --type, --at and --by are those of one: give the one or the other")}
		}
		return a.readActivities(f.file)
	}
	switch {
	case f.kind == "" || f.at == "" || f.by == "":
		return nil, usageError{errors.New("an activity needs --type, --at and --by, or give --file")}
	case !slices.Contains(activityKinds, f.kind):
		return nil, usageError{fmt.Errorf("--type %q is none of %s", f.kind, strings.Join(activityKinds, ", "))}
	case !slices.Contains(identityKinds, f.byType):
		return nil, usageError{fmt.Errorf("--by-type %q is none of %s", f.byType, strings.Join(identityKinds, ", "))}
	}
	at, err := parseTime(f.at, time.Now())
	if err != nil {
		return nil, err
	}
	a.warnStale(at, "the activity")
	return []load.Activity{{Type: f.kind, Start: at.UTC().Format(time.RFC3339), By: load.Identity{Type: f.byType, ID: f.by}}}, nil
}

func (a *app) warnStale(at time.Time, what string) {
	switch age := time.Since(at); {
	case age > staleActivity:
		a.warn("%s is %s old; Microsoft 365 shows none that is older than 7 days", what, count(int64(age/(24*time.Hour)), "day", "days"))
	case age < -time.Hour:
		a.warn("%s is in the future", what)
	}
}

// parseTime reads a time with its zone, a day (its begin in UTC), or now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--at %q is no time such as 2026-05-01T08:00:00Z, no day such as 2026-05-01, and not now", s)}
}

// readActivities reads a list of activities, an object with one, or an object
// a line.
func (a *app) readActivities(name string) ([]load.Activity, error) {
	data, err := a.readInput(name)
	if err != nil {
		return nil, err
	}
	var list []load.Activity
	var body struct {
		Activities []load.Activity `json:"activities"`
	}
	switch {
	case json.Unmarshal(data, &list) == nil:
	case json.Unmarshal(data, &body) == nil && body.Activities != nil:
		list = body.Activities
	default:
		dec := json.NewDecoder(strings.NewReader(string(data)))
		for dec.More() {
			var one load.Activity
			if err := dec.Decode(&one); err != nil {
				return nil, usageError{fmt.Errorf("%s: activity %d: this is no activity of the API (%v)", inputName(name), len(list)+1, jsonWords(err))}
			}
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		return nil, usageError{fmt.Errorf("%s holds no activities", inputName(name))}
	}
	stale := 0
	for _, one := range list {
		if at, err := time.Parse(time.RFC3339, one.Start); err == nil && time.Since(at) > staleActivity {
			stale++
		}
	}
	if stale > 0 {
		a.warn("%s older than 7 days, and Microsoft 365 shows none of them", count(int64(stale), "activity is", "activities are"))
	}
	return list, nil
}

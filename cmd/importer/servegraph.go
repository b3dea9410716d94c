package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"importer/load/localgraph"
)

// A graphFlags is how the local Graph behaves and whom it knows, as typed.
type graphFlags struct {
	directory string
	rules     string
}

// graphHelp is the part of serve's help that tells of them.
const graphHelp = `
--directory makes the directory, of which clients resolve people and groups by
/users and /groups and by which permissions are checked, what FILE has. It is
CSV, with a line for each user or group:

  type,id,userPrincipalName,mail,displayName,employeeId,userType,members
  user,3f4d...,ann@contoso.com,ann.smith@contoso.com,Ann Smith,E1,,
  user,9c0e...,gus@fabrikam.com,,Gus,,Guest,
  group,77aa...,,staff@contoso.com,Staff,,,ann@contoso.com;88bb...
  group,88bb...,,,Leads,,,gus@fabrikam.com

of which only id is needed, and a line without a type is a user, so that a
mapping's file of identities will do; or JSON:

  {"users":  [{"id": "3f4d...", "userPrincipalName": "ann@contoso.com", "mail": "...",
               "displayName": "...", "employeeId": "...", "userType": "Member"}],
   "groups": [{"id": "77aa...", "displayName": "Staff", "mail": "...",
               "members": ["ann@contoso.com", "88bb..."]}]}

Members are users (by id, userPrincipalName or mail) and groups (by id), nested
as deep as you like. A file without users, or without groups, leaves those that
are there. While it runs, an application with a token of importer token --app
does the same by PUT of such a file to /_control/directory.

--rules chooses where the documents of the API disagree. Without it the local
Graph takes the strict reading, so that what passes here passes in a tenant,
but for the two that begin with require. It is a list of:

  itemSize=30MB            the largest item; 4MB (the older limit) is the default
  searchPage=1000          the largest page of a search; 500 is the default
  requireDescription       a connection needs a description
  requireObjectIds         users and groups are named by ids of Entra ID's form
  replaceOnPut             a PUT drops what it leaves out
  allowNull                null is taken as no value
  allowLooseDates          dates may come without a time or a zone
  allowDuplicateNames      two connections may have one name
  alwaysNewEnums           labels such as iconUrl are answered without Prefer
  listItems                GET .../items is answered
`

func (f *graphFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.directory, "directory", "", "`file` of people and groups, CSV or JSON, that becomes the directory")
	cmd.Flags().StringVar(&f.rules, "rules", "", "`list` of choices where the documents disagree, such as itemSize=30MB,listItems")
}

// read reads what was typed: the rules into the options, and the directory; nil
// is none.
func (f *graphFlags) read(opt *localgraph.Options) (*localgraph.Directory, error) {
	if err := opt.SetRules(f.rules); err != nil {
		return nil, usageError{fmt.Errorf("--%w", err)}
	}
	if f.directory == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(f.directory)
	if err != nil {
		return nil, usageError{fmt.Errorf("--directory: %w", err)}
	}
	d, err := localgraph.ReadDirectory(f.directory, raw)
	if err != nil {
		return nil, usageError{err}
	}
	return d, nil
}

// loadDirectory makes the directory of the local Graph what the file has.
func (a *app) loadDirectory(ctx context.Context, server *localgraph.Server, d *localgraph.Directory, file string) error {
	if d == nil {
		return nil
	}
	err := server.ReplaceDirectory(ctx, d)
	if wrong, ok := errors.AsType[*localgraph.DirectoryError](err); ok {
		return usageError{wrong}
	}
	if err != nil {
		return fmt.Errorf("importing the directory %s: %w", file, err)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "directory: %d users and %d groups from %s\n", len(d.Users), len(d.Groups), file)
	}
	return nil
}

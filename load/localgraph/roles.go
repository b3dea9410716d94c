package localgraph

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Permissions are the application permissions that the server asks for, with
// what they are for: the permission tables of the reference pages.
var Permissions = []string{
	"ExternalConnection.ReadWrite.OwnedBy", "ExternalConnection.ReadWrite.All", "ExternalConnection.Read.All",
	"ExternalItem.ReadWrite.OwnedBy", "ExternalItem.ReadWrite.All", "ExternalItem.Read.All",
	"User.Read.All", "User.ReadBasic.All", "Group.Read.All", "GroupMember.Read.All", "Directory.Read.All", "Organization.Read.All",
}

// rolesOf are the permissions of an application that was given none by name.
func rolesOf(c Caller) []string {
	if c.Roles != "" {
		return strings.Fields(c.Roles)
	}
	area := "All"
	if c.AppID != "" {
		area = "OwnedBy"
	}
	return []string{"ExternalConnection.ReadWrite." + area, "ExternalItem.ReadWrite." + area, "User.Read.All", "Group.Read.All", "Organization.Read.All"}
}

func checkRoles(c Caller) error {
	if c.Roles != "" && !c.App {
		return fmt.Errorf("tokens: roles are for an application")
	}
	for _, role := range strings.Fields(c.Roles) {
		if !slices.Contains(Permissions, role) {
			return fmt.Errorf("tokens: %q is none of the roles %s", role, strings.Join(Permissions, ", "))
		}
	}
	return nil
}

// needed are the permissions of which an operation wants one.
func needed(method string, seg []string) []string {
	read := method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
	of := func(area string) []string {
		list := []string{area + ".ReadWrite.OwnedBy", area + ".ReadWrite.All"}
		if read {
			list = append(list, area+".Read.All")
		}
		return list
	}
	switch seg[0] {
	case "external":
		if len(seg) >= 4 && (seg[3] == "items" || seg[3] == "groups") {
			return of("ExternalItem")
		}
		return of("ExternalConnection")
	case "users":
		return []string{"User.Read.All", "User.ReadBasic.All", "Directory.Read.All"}
	case "groups":
		return []string{"Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"}
	case "organization":
		return []string{"Organization.Read.All", "Directory.Read.All"}
	}
	return nil // for users, or for anybody
}

// checkRole refuses an application whose roles were named and are others.
func (c *call) checkRole(seg []string) error {
	if c.caller.Roles == "" {
		return nil
	}
	if len(seg) == 0 {
		return nil // the root, which is no resource
	}
	want := needed(c.r.Method, seg)
	have := strings.Fields(c.caller.Roles)
	c.every = false
	found := want == nil
	for _, role := range want {
		if slices.Contains(have, role) {
			found = true
			c.every = c.every || strings.HasSuffix(role, ".All")
		}
	}
	if !found {
		return &apiError{status: http.StatusForbidden, code: "Authorization_RequestDenied",
			message: fmt.Sprintf("Insufficient privileges to complete the operation. It needs one of the application permissions %s.", strings.Join(want, ", "))}
	}
	return nil
}

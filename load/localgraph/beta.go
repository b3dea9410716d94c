package localgraph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// What only the beta of the API has. Under /v1.0 it is neither taken nor
// answered.

// A betaConnection is the members of a connection that v1.0 does not have.
type betaConnection struct {
	Experiences string          `json:"enabledContentExperiences,omitempty"`
	Compliance  json.RawMessage `json:"complianceSettings,omitempty"`
}

type complianceSettings struct {
	Templates []displayTemplate `json:"eDiscoveryResultTemplates"`
}

// check enforces the rules on the members.
func (b *betaConnection) check() (err error) {
	if b.Experiences != "" {
		var flags []string
		for _, name := range strings.Split(b.Experiences, ",") {
			flag, ok := spelled([]string{"search", "compliance"}, strings.TrimSpace(name))
			if !ok {
				return badRequest("enabledContentExperiences: %q is neither search nor compliance", strings.TrimSpace(name))
			}
			flags = append(flags, flag)
		}
		b.Experiences = strings.Join(flags, ", ")
	}
	var c complianceSettings
	b.Compliance, err = kept("complianceSettings", b.Compliance, &c, c.check)
	return err
}

// check also enforces what an eDiscovery card may not have: a version above
// 1.2, and template expressions.
func (s *complianceSettings) check() (err error) {
	if s.Templates, err = checkTemplates("complianceSettings", "eDiscoveryResultTemplates", s.Templates); err != nil {
		return err
	}
	for _, t := range s.Templates {
		var card struct{ Version string }
		_ = json.Unmarshal(t.Layout, &card) // nothing, or an object
		if v, err := strconv.ParseFloat(card.Version, 64); err == nil && v > 1.2 {
			return badRequest("complianceSettings: the card of template %q has version %s, and may have 1.2 at most", t.ID, card.Version)
		}
		if bytes.Contains(t.Layout, []byte("${")) {
			return badRequest("complianceSettings: the card of template %q has the binding ${...}, which is not supported", t.ID)
		}
	}
	return nil
}

// The published sizes of a connection and of a tenant, until the limits page
// of July 2026.
const (
	maxConnectionItems = 5_000_000
	maxTenantItems     = 50_000_000
)

func (s *Server) countItems(ctx context.Context, cn *connection) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, fmt.Sprintf(`SELECT count(*) FROM %s`, cn.items())).Scan(&n)
	return n, err
}

// getQuota answers the room that is left: the smaller of that in the
// connection and that in the tenant.
func (c *call) getQuota(cn *connection) error {
	if !c.beta() {
		return noSegment("quota")
	}
	left := int64(maxTenantItems)
	for _, other := range c.s.snap.Load().list {
		if other.schema == nil || other.deleting {
			continue
		}
		n, err := c.s.countItems(c.r.Context(), other)
		if err != nil {
			return err
		}
		left -= n
		if other == cn {
			left = min(left, maxConnectionItems-n)
		}
	}
	return c.reply(http.StatusOK, map[string]any{
		"@odata.context": c.context("external/connections('" + cn.id + "')/quota/$entity"),
		"itemsRemaining": max(left, 0),
	})
}

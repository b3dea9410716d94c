package load

import (
	"encoding/json"
	"fmt"
)

// Settings are what stands around a connection's content. Layouts are
// Adaptive Cards and stay as they are.
type Settings struct {
	ConnectorID   string `json:"connectorId"`
	Configuration struct {
		// AuthorizedAppIDs may manage the connection beside the app that made it.
		AuthorizedAppIDs []string `json:"authorizedAppIds"`
	} `json:"configuration"`
	SearchSettings struct {
		Templates []Template `json:"searchResultTemplates"`
	} `json:"searchSettings"`
	ActivitySettings struct {
		Resolvers []Resolver `json:"urlToItemResolvers"`
	} `json:"activitySettings"`
}

// A Template says how a hit is shown (displayTemplate).
type Template struct {
	ID       string          `json:"id"` // at most 16 letters and digits
	Priority number          `json:"priority"`
	Layout   json.RawMessage `json:"layout"`
	Rules    []struct {
		Property  string   `json:"property"`
		Operation string   `json:"operation"`
		Values    []string `json:"values"`
		JoinedBy  string   `json:"valuesJoinedBy"`
	} `json:"rules"`
}

// A Resolver finds the item behind a link that somebody shares
// (urlToItemResolver).
type Resolver struct {
	Type     string `json:"@odata.type"`
	Priority number `json:"priority"`
	ItemID   string `json:"itemId"` // such as kb_{num}
	Match    struct {
		BaseURLs []string `json:"baseUrls"`
		Pattern  string   `json:"urlPattern"` // an ECMAScript regular expression; its named groups stand in ItemID
	} `json:"urlMatchInfo"`
}

// ResolverType is the one type of resolver that there is. The service refuses
// a resolver that does not say it.
const ResolverType = "#microsoft.graph.externalConnectors.itemIdResolver"

// ReadSettings reads the settings of a connection's document.
func ReadSettings(raw json.RawMessage) (*Settings, error) {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("the connection's settings are not what the API describes: %w", err)
	}
	return &s, nil
}

package load

import (
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// A Cloud is one of Microsoft's clouds with its Graph and its login service.
type Cloud struct {
	Name  string // as users name it
	Graph string // the Graph's root; "" where it has no connectors
	login cloud.Configuration
}

// Clouds are all of them. In the national clouds' model only US Government has
// the external singleton. GCC is part of the global cloud.
var Clouds = []Cloud{
	{"global", DefaultGraphURL, cloud.AzurePublic},
	{"gcc-high", "https://graph.microsoft.us/v1.0", cloud.AzureGovernment},
	{"dod", "https://dod-graph.microsoft.us/v1.0", cloud.AzureGovernment},
	{"china", "", cloud.AzureChina},
}

// noChina answers everybody who asks for 21Vianet's cloud.
const noChina = "connectors are not available in the China cloud (21Vianet): use a tenant of the global or US Government cloud"

// CloudURL gives the Graph of a cloud by its name.
func CloudURL(name string) (string, error) {
	var names []string
	for _, c := range Clouds {
		switch {
		case c.Name == name && c.Graph == "":
			return "", errors.New(noChina)
		case c.Name == name:
			return c.Graph, nil
		}
		names = append(names, c.Name)
	}
	return "", fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
}

// cloudOf finds the cloud of a Graph by its host.
func cloudOf(host string) (Cloud, bool) {
	for _, c := range Clouds {
		if c.Graph != "" && strings.EqualFold(hostOf(c.Graph), host) {
			return c, true
		}
	}
	return Cloud{}, false
}

// inChina tells a host of 21Vianet's cloud.
func inChina(host string) bool {
	return strings.HasSuffix(host, ".chinacloudapi.cn") || strings.HasSuffix(host, ".partner.microsoftonline.cn")
}

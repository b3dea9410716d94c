package transform

// A Type is a property type of the connectors schema.
type Type uint8

// The property types. The zero Type is none.
const (
	NoType Type = iota
	String
	Int64
	Double
	DateTime
	Boolean
	StringCollection
	Int64Collection
	DoubleCollection
	DateTimeCollection
	PrincipalType
	PrincipalCollection
)

var typeNames = [...]string{"", "string", "int64", "double", "dateTime", "boolean", "stringCollection",
	"int64Collection", "doubleCollection", "dateTimeCollection", "principal", "principalCollection"}

// String gives the type's name on the wire, such as "stringCollection".
func (t Type) String() string { return typeNames[t] }

// ParseType reads a type's name as the mapping and the API spell it.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if i > 0 && n == name {
			return Type(i), true
		}
	}
	return NoType, false
}

// A PropertyDef is one property of a schema.
type PropertyDef struct {
	Name        string
	Type        Type
	Searchable  bool
	Queryable   bool
	Retrievable bool
	Refinable   bool
	ExactMatch  bool
	Aliases     []string
	Labels      []string
	Description string
}

// A Schema lists properties in the mapping's order.
type Schema []PropertyDef

// A Connection is what the mapping says of the connection itself.
type Connection struct {
	ID, Name, Description string
	ContentCategory       string // "" leaves it to the service
}

// A Group is an external group.
type Group struct{ ID, DisplayName, Description string }

// A Member of an external group.
type Member struct {
	Type string // user, group, externalGroup
	ID   string
}

package extract

// HTML is written by its own change.
var HTML = &Format{Name: "html", Table: false}

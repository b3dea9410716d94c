package extract

// CSV is written by its own change.
var CSV = &Format{Name: "csv", Table: true}

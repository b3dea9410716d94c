package extract

// PDF is written by its own change.
var PDF = &Format{Name: "pdf", Table: false}

package extract

// Excel is written by its own change.
var Excel = &Format{Name: "excel", Table: true}

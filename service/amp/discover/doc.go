// Package discover looks for sensitive data in what a workspace tells of its series: names of metrics and labels, values of labels, help texts and
// exemplars. Managed Prometheus is not meant for such data; who finds some takes it out at its source. It is a client of the house like any other:
// signed, over HTTPS, with the caller's own rights.
//
// # What holds
//
//   - What is found is told by kind, number, place and a mask. No value in which something was found leaves the package, also not in an error; and none goes
//     into an address: where a metric is asked for that has it, it stands in the body of the request. Names of labels do stand in addresses.
//   - No more is held in memory than one answer of the house: values of labels come in pages. Prometheus's API has no next page, so a label with
//     too many values is asked for in parts, by what they begin with. What the parts begin with stands in addresses.
//   - What could not be read is an error, beside what was found: no finding means that all was read.
//   - Numbers that are cards by chance: where at least twenty values of a label are numbers as long as a card's, and no more than a tenth of them pass for
//     cards, without any keyword, the label holds other numbers, and they are not told. Chance alone lets less than that pass.
//
// # Map
//
//	discover.go the search of a workspace
//	part.go     the values of a label in parts
//	report.go   what is told, as text and as JSON
package discover

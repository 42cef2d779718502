package rootkey

// What the root key 00 01 02 ... 1f makes for the purpose "test/golden".
const (
	goldenDerived = "bb55c55aa7c4a7c44f48cada50224b6215cdb5739d83856931b181766d9bb8b0"
	goldenWrapped = "01161c8801892277c8605253b06a564f338fca1846cd2136e90b20150aa6bf83b3f36a3f4b1e2d"
)

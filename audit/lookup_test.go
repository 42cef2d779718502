package audit

import (
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 30 {
		mustAppend(t, l, entry(i))
		if i == 12 { // so that there are closed segments too
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, dir)
		}
	}
	other := entry(100)
	other.Account = "444455556666"
	mustAppend(t, l, other)
	elsewhere := entry(101)
	elsewhere.Region = "us-east-1"
	mustAppend(t, l, elsewhere)

	for name, c := range map[string]struct {
		q    Query
		want int
	}{
		"all":             {Query{}, 30},
		"event id":        {Query{Attribute: ByEventID, Value: "id-3"}, 1},
		"event name":      {Query{Attribute: ByEventName, Value: "Encrypt"}, 15},
		"read only":       {Query{Attribute: ByReadOnly, Value: "false"}, 15},
		"user":            {Query{Attribute: ByUsername, Value: "user2"}, 10},
		"source":          {Query{Attribute: ByEventSource, Value: "kms.amazonaws.com"}, 30},
		"access key":      {Query{Attribute: ByAccessKeyID, Value: "AKIAOTHER"}, 0},
		"resource type":   {Query{Attribute: ByResourceType, Value: "AWS::KMS::Key"}, 30},
		"resource arn":    {Query{Attribute: ByResourceName, Value: "arn:aws:kms:eu-central-1:" + acct + ":key/k4"}, 6},
		"resource name":   {Query{Attribute: ByResourceName, Value: "k4"}, 6},
		"time":            {Query{From: time.Unix(1_700_000_010, 0), To: time.Unix(1_700_000_019, 0)}, 10},
		"limit":           {Query{Limit: 7}, 7},
		"unknown account": {Query{Account: "999999999999"}, 0},
	} {
		found := lookup(t, l, c.q)
		if len(found) != c.want {
			t.Errorf("%s: got %d records, want %d", name, len(found), c.want)
		}
		for i := 1; i < len(found); i++ {
			if found[i].Position >= found[i-1].Position {
				t.Errorf("%s: not newest first", name)
			}
		}
	}
	var ids []string
	q := Query{Limit: 4}
	for {
		page := lookup(t, l, q)
		for _, f := range page {
			ids = append(ids, f.EventID)
			q.Before = f.Position
		}
		if len(page) < q.Limit {
			break
		}
	}
	if len(ids) != 30 || ids[0] != "id-29" || ids[29] != "id-0" {
		t.Errorf("pages: %v", ids)
	}
}

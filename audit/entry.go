package audit

import (
	"encoding/binary"
	"errors"
	"time"
)

// MaxEntry is the most bytes of JSON in an entry, as CloudTrail limits its events.
const MaxEntry = 256 << 10

var (
	// ErrEntry says that an entry is too large or has an attribute that is.
	ErrEntry = errors.New("audit entry is not valid")
	// ErrCorrupt says that the log's files are not what was written. The error names the file.
	ErrCorrupt = errors.New("audit log is corrupt")
	// ErrClosed says that the log has been closed.
	ErrClosed = errors.New("audit log is closed")
)

// maxAttribute bounds each attribute; ARNs are at most 2,048 characters.
const maxAttribute = 4096

// appendEntry appends the binary form of e:
//
//	time                uint64, Unix nanoseconds
//	read only           1 byte
//	strings             account, region, event id, event name, event source, user name, access key id:
//	                    each uint16 length and bytes
//	resources           uint16 count, each three strings
//	JSON                the rest
func appendEntry(b []byte, e *Entry) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	if e.ReadOnly {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	for _, s := range [...]string{e.Account, e.Region, e.EventID, e.EventName, e.EventSource, e.Username, e.AccessKeyID} {
		b = appendString(b, s)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Resources)))
	for _, r := range e.Resources {
		b = appendString(appendString(appendString(b, r.AccountID), r.Type), r.ARN)
	}
	return append(b, e.JSON...)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// checkEntry reports whether e fits the format.
func checkEntry(e *Entry) error {
	if len(e.JSON) > MaxEntry || len(e.Resources) > 1<<12 {
		return ErrEntry
	}
	for _, s := range [...]string{e.Account, e.Region, e.EventID, e.EventName, e.EventSource, e.Username, e.AccessKeyID} {
		if len(s) > maxAttribute {
			return ErrEntry
		}
	}
	for _, r := range e.Resources {
		if len(r.AccountID) > maxAttribute || len(r.Type) > maxAttribute || len(r.ARN) > maxAttribute {
			return ErrEntry
		}
	}
	return nil
}

// decoder takes binary forms apart; after a short read ok is false and stays so.
type decoder struct {
	b  []byte
	ok bool
}

func (d *decoder) take(n int) []byte {
	if !d.ok || n < 0 || n > len(d.b) {
		d.ok = false
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) uint16() int {
	if b := d.take(2); d.ok {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); d.ok {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); d.ok {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) string() string { return string(d.take(d.uint16())) }

// parseEntry reads the binary form of an entry. JSON refers to b.
func parseEntry(b []byte) (*Entry, error) {
	d := &decoder{b: b, ok: true}
	e := &Entry{Time: time.Unix(0, int64(d.uint64())).UTC()}
	if flag := d.take(1); d.ok {
		e.ReadOnly = flag[0] == 1
	}
	for _, s := range [...]*string{&e.Account, &e.Region, &e.EventID, &e.EventName, &e.EventSource, &e.Username, &e.AccessKeyID} {
		*s = d.string()
	}
	n := d.uint16()
	for i := 0; i < n && d.ok; i++ {
		e.Resources = append(e.Resources, Resource{AccountID: d.string(), Type: d.string(), ARN: d.string()})
	}
	if !d.ok {
		return nil, ErrCorrupt
	}
	e.JSON = d.b
	return e, nil
}

// Names of the attributes that a Query may ask for, as LookupEvents spells them.
const (
	ByEventID      = "EventId"
	ByEventName    = "EventName"
	ByReadOnly     = "ReadOnly"
	ByUsername     = "Username"
	ByResourceType = "ResourceType"
	ByResourceName = "ResourceName"
	ByEventSource  = "EventSource"
	ByAccessKeyID  = "AccessKeyId"
)

// matches reports whether the entry has the attribute with the value.
func (e *Entry) matches(attribute, value string) bool {
	switch attribute {
	case "":
		return true
	case ByEventID:
		return e.EventID == value
	case ByEventName:
		return e.EventName == value
	case ByReadOnly:
		return readOnlyWord(e.ReadOnly) == value
	case ByUsername:
		return e.Username == value
	case ByEventSource:
		return e.EventSource == value
	case ByAccessKeyID:
		return e.AccessKeyID == value
	}
	for _, r := range e.Resources {
		if attribute == ByResourceType && r.Type == value || attribute == ByResourceName && r.names(value) {
			return true
		}
	}
	return false
}

// names reports whether value is the resource's name: its ARN, or what stands last in it.
func (r Resource) names(value string) bool { return r.ARN == value || r.shortName() == value }

// shortName is what follows the last slash or colon of the ARN.
func (r Resource) shortName() string {
	for i := len(r.ARN) - 1; i >= 0; i-- {
		if r.ARN[i] == '/' || r.ARN[i] == ':' {
			return r.ARN[i+1:]
		}
	}
	return r.ARN
}

func readOnlyWord(readOnly bool) string {
	if readOnly {
		return "true"
	}
	return "false"
}

// tags appends the hash of every attribute of e. A summary keeps them instead of the
// attributes: a lookup reads the entry itself only where the hash fits.
func (e *Entry) tags(to []uint32) []uint32 {
	to = append(to, tagOf(ByEventID, e.EventID), tagOf(ByEventName, e.EventName), tagOf(ByReadOnly, readOnlyWord(e.ReadOnly)),
		tagOf(ByUsername, e.Username), tagOf(ByEventSource, e.EventSource), tagOf(ByAccessKeyID, e.AccessKeyID))
	for _, r := range e.Resources {
		to = append(to, tagOf(ByResourceType, r.Type), tagOf(ByResourceName, r.ARN), tagOf(ByResourceName, r.shortName()))
	}
	return to
}

// tagOf is FNV-1a over the attribute, a zero byte and the value.
func tagOf(attribute, value string) uint32 {
	h := fnvAdd(fnvBasis, attribute) * fnvPrime // the zero byte changes nothing before it multiplies
	return fnvAdd(h, value)
}

const (
	fnvBasis uint32 = 2166136261
	fnvPrime uint32 = 16777619
)

func fnvAdd(h uint32, s string) uint32 {
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * fnvPrime
	}
	return h
}

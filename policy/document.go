package policy

import "slices"

// Kind says where a document is attached, and with it which elements it may hold.
type Kind uint8

// The kinds of policy documents.
const (
	Identity       Kind = iota // attached to a user, group or role: no Principal
	Boundary                   // permissions boundary: grammar of Identity
	Session                    // passed to AssumeRole: grammar of Identity
	ServiceControl             // ceiling of an account (SCP): grammar of Identity
	Resource                   // attached to a resource such as a bucket: Principal required
	KeyPolicy                  // of a KMS key: Principal required, at most 32,768 bytes
	Trust                      // trust policy of a role: Principal required, no Resource, actions of sts
)

// attached reports whether documents of the kind are attached to what is called, and say who
// calls, rather than to the caller.
func (k Kind) attached() bool { return k == Resource || k == KeyPolicy || k == Trust }

// Document is a parsed and compiled policy. It is immutable and may be used by any
// number of goroutines at once.
type Document struct {
	kind       Kind
	name       string
	text       []byte
	version    string
	id         string
	statements []statement
}

// Named returns a copy of d that bears a name, such as the ARN of a managed policy or
// "inline policy readers"; explanations use it. The compiled form is shared.
func (d *Document) Named(name string) *Document {
	c := *d
	c.name = name
	return &c
}

// Name returns the name given with Named, or "".
func (d *Document) Name() string { return d.name }

// Kind returns the kind d was parsed as.
func (d *Document) Kind() Kind { return d.kind }

// Text returns the text d was parsed from, byte for byte. The caller must not write to it.
func (d *Document) Text() []byte { return d.text }

// Version returns the version of the language: "2012-10-17", or "2008-10-17", which is
// also what a document without a Version has.
func (d *Document) Version() string { return d.version }

// ID returns the Id element, or "".
func (d *Document) ID() string { return d.id }

// Size returns the length of the text in bytes.
func (d *Document) Size() int { return len(d.text) }

// SizeWithoutSpace returns the number of characters of the text without white space,
// which is what IAM's quotas count.
func (d *Document) SizeWithoutSpace() int { return countCharacters(d.text) }

// Principals returns the values of every Principal and NotPrincipal element, each once,
// so that whoever stores the document can check that they exist.
func (d *Document) Principals() []PrincipalRef {
	var refs []PrincipalRef
	for i := range d.statements {
		if ps := d.statements[i].principals; ps != nil {
			for _, ref := range ps.written {
				if !slices.Contains(refs, ref) {
					refs = append(refs, ref)
				}
			}
		}
	}
	return refs
}

// Bind returns a copy of d in which a user or role named by an ARN of ids matches whoever
// bears the unique id that ids gives for it, and nobody else: a user who is renamed keeps
// what was given to him, and one who is deleted and made again under the same name does not
// inherit it. A session that is named must have both, the name and the id. ARNs that ids does
// not hold keep matching by name.
func (d *Document) Bind(ids map[string]string) *Document {
	c := *d
	c.statements = slices.Clone(d.statements)
	for i := range c.statements {
		c.statements[i].principals = c.statements[i].principals.bind(ids)
	}
	return &c
}

// Join returns a document that says what all of docs say, under a name: an explicit Deny of one counts against what another allows. It is nil
// where there are none. The compiled statements are shared; it has no text of its own.
func Join(name string, docs ...*Document) *Document {
	if len(docs) == 0 {
		return nil
	}
	joined := *docs[0]
	joined.name, joined.text, joined.id, joined.statements = name, nil, "", nil
	for _, d := range docs {
		joined.statements = append(joined.statements, d.statements...)
	}
	return &joined
}

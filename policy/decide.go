package policy

// Set is everything that bears on one decision.
type Set struct {
	// Identity are the identity-based policies of the caller: inline, managed, and those
	// of its groups.
	Identity []*Document
	// Boundary is the permissions boundary of the user or role; nil for none.
	Boundary *Document
	// Session are the session policies; nil for a session without any. Together they
	// allow what any of them allows. Not nil but empty, they allow nothing.
	Session []*Document
	// Resource is the resource's own policy; nil for none.
	Resource *Document
	// ResourceAccount is the account that owns the resource; "" when that is the caller's
	// own or the action has no resource.
	ResourceAccount string
	// RootOfTrust says that nobody has any right that Resource does not give or delegate,
	// as for KMS keys and the trust policies of roles.
	RootOfTrust bool
	// Granted says that a KMS grant allows this request, and GrantID which.
	Granted bool
	GrantID string
	// Ceilings must each allow: service control policies and their like.
	Ceilings []*Document
}

// Reason says how a decision came about.
type Reason uint8

// The reasons. Those that allow begin with Allowed.
const (
	ImplicitDeny      Reason = iota // nothing allows it
	ExplicitDeny                    // a statement denies it
	AllowedByIdentity               // an identity-based policy of the caller
	AllowedByResource               // the resource's policy alone
	AllowedByBoth                   // from another account: both sides
	AllowedByGrant                  // a KMS grant
	AllowedByRoot                   // the caller is the root user of the account
)

// Source is the kind of policy that a refusal is laid to.
type Source uint8

// The sources. NoSource is that of a decision that allows.
const (
	NoSource Source = iota
	FromIdentity
	FromBoundary
	FromSession
	FromResource
	FromTrust
	FromCeiling
)

// Decision is the answer to a Request. The zero Decision refuses.
type Decision struct {
	Allowed bool
	Reason  Reason
	Source  Source // the kind of policy that denies, or that would have had to allow
	GrantID string // the grant that allows, with AllowedByGrant
}

// Decide says whether req is allowed under set. It does not allocate when it allows, and
// keeps neither argument. Calls may run together.
func Decide(req *Request, set *Set) Decision {
	if req == nil || set == nil || req.Principal == nil {
		return Decision{Source: FromIdentity}
	}
	a := newAsk(req)
	v := hear(&a, set)
	if v.denied != NoSource {
		return Decision{Reason: ExplicitDeny, Source: v.denied}
	}
	if !v.ceilings {
		return Decision{Source: FromCeiling}
	}
	return v.weigh(req.Principal, set)
}

// voices is what each side says about a request.
type voices struct {
	denied   Source // of an explicit deny; NoSource for none
	ceilings bool   // every ceiling allows
	resource grip   // what the resource's policy gives
	identity bool   // an identity-based policy allows
	boundary bool   // there is no permissions boundary, or it allows
	session  bool   // there are no session policies, or one of them allows
}

// hear asks every policy. An explicit deny ends the hearing, in the order in which AWS names
// the kinds.
func hear(a *ask, set *Set) (v voices) {
	v.ceilings = true
	for _, d := range set.Ceilings {
		g, denied := d.judge(a, noGrip, false)
		if denied {
			return voices{denied: FromCeiling}
		}
		v.ceilings = v.ceilings && g != noGrip
	}
	var denied bool
	if v.resource, denied = set.Resource.judge(a, noGrip, true); denied {
		return voices{denied: set.resourceSource()}
	}
	if v.identity, denied = judgeAny(a, set.Identity); denied {
		return voices{denied: FromIdentity}
	}
	g, denied := set.Boundary.judge(a, noGrip, false)
	if denied {
		return voices{denied: FromBoundary}
	}
	v.boundary = set.Boundary == nil || g != noGrip
	if v.session, denied = judgeAny(a, set.Session); denied {
		return voices{denied: FromSession}
	}
	v.session = v.session || set.Session == nil
	return v
}

// weigh decides when nothing denies and the ceilings allow.
func (v voices) weigh(p *Principal, set *Set) Decision {
	if p.homeless() {
		return v.weighHomeless(p, set)
	}
	identity := v.identity || p.Root
	cut := v.cut(p)
	// A grant comes after the key policy in the text of AWS and needs no identity-based
	// policy, also from another account (KMS developer guide, "Determining access to AWS KMS
	// keys"). Whether boundary and session policies cut it is not published; we let them.
	if set.Granted && cut == NoSource {
		return Decision{Allowed: true, Reason: AllowedByGrant, GrantID: set.GrantID}
	}
	byIdentity := Decision{Allowed: true, Reason: AllowedByIdentity}
	if p.Root {
		byIdentity.Reason = AllowedByRoot
	}
	if set.crosses(p) {
		if v.resource != noGrip && identity && cut == NoSource {
			return Decision{Allowed: true, Reason: AllowedByBoth}
		}
		return Decision{Source: v.lacks(identity, cut, set, true)}
	}
	switch {
	case v.resource == gripOwn, v.resource == gripBehind && cut == NoSource:
		return Decision{Allowed: true, Reason: AllowedByResource}
	case identity && cut == NoSource && (!set.RootOfTrust || v.resource != noGrip):
		return byIdentity
	}
	return Decision{Source: v.lacks(identity, cut, set, set.RootOfTrust)}
}

// weighHomeless decides for callers without an account, who have only the resource's side.
func (v voices) weighHomeless(p *Principal, set *Set) Decision {
	switch {
	case set.Granted && p.Service != "":
		return Decision{Allowed: true, Reason: AllowedByGrant, GrantID: set.GrantID}
	case v.resource == gripOwn:
		return Decision{Allowed: true, Reason: AllowedByResource}
	case v.resource == gripBehind && p.Service != "":
		return Decision{Allowed: true, Reason: AllowedByResource}
	}
	return Decision{Source: set.resourceSource()}
}

// cut returns which limit on the caller's own rights does not allow: NoSource for none. The root
// user has no boundary.
func (v voices) cut(p *Principal) Source {
	switch {
	case !v.boundary && !p.Root:
		return FromBoundary
	case !v.session:
		return FromSession
	}
	return NoSource
}

// lacks names the kind of policy that would have had to allow.
func (v voices) lacks(identity bool, cut Source, set *Set, needResource bool) Source {
	switch {
	case needResource && v.resource == noGrip:
		return set.resourceSource()
	case !identity && (v.resource != gripBehind || cut == NoSource):
		return FromIdentity
	}
	return cut
}

// crosses reports whether the resource belongs to another account than the caller.
func (set *Set) crosses(p *Principal) bool {
	return set.ResourceAccount != "" && set.ResourceAccount != p.Account
}

// resourceSource says what the resource's policy is called.
func (set *Set) resourceSource() Source {
	if set.Resource != nil && set.Resource.kind == Trust {
		return FromTrust
	}
	return FromResource
}

// judgeAny returns whether any of the documents allows, and whether any denies.
func judgeAny(a *ask, docs []*Document) (allowed, denied bool) {
	best := noGrip
	for _, d := range docs {
		if best, denied = d.judge(a, best, false); denied {
			return false, true
		}
	}
	return best != noGrip, false
}

// judge returns the firmest grip, at least have, in which an Allow of the document holds the
// caller, and whether a Deny does. Once nothing firmer can come, only denies are looked at. A nil
// document says nothing. Where the document must say whom it is for, an Allow that does not
// is for nobody.
func (d *Document) judge(a *ask, have grip, attached bool) (best grip, denied bool) {
	if d == nil {
		return have, false
	}
	for i := range d.statements {
		st := &d.statements[i]
		if st.allow && (have == gripOwn || attached && st.principals == nil) {
			continue
		}
		g, _, _ := st.match(a)
		if g != noGrip && !st.allow {
			return noGrip, true
		}
		have = max(have, g)
	}
	return have, false
}

package customers

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// duplicateKey is a match key of a customer: a hash of a normal form of what he has, by
// which others who have the same find him. It has no clear text.
type duplicateKey struct {
	Hash       crm.ID `json:"hash"`
	CustomerID crm.ID `json:"customer_id"`
	// Origin is the record that has it: the customer himself, or one of his identities.
	Origin crm.ID `json:"origin"`
}

// duplicateHold is what writers of the same key wait for. It is removed in the transaction
// that makes it.
type duplicateHold struct {
	Hash crm.ID `json:"hash"`
}

// class is what a match key is of. It is the first byte of its hash, so that the keys that
// tell most are read first.
type class byte

const (
	ofEmail class = iota + 1
	ofPhone
	ofNameAndBirthday
	ofName
	ofBirthday
	ofSound
	ofDomain
)

// weight is how much a key in common tells, for the choice of whom to compare.
func (c class) weight() int {
	return [...]int{ofEmail: 8, ofPhone: 6, ofNameAndBirthday: 8, ofName: 4, ofBirthday: 3, ofSound: 2, ofDomain: 3}[c]
}

func (d *Duplicates) defineKeys(core *crm.Core) (err error) {
	if d.keys, err = crm.DefineLedger[duplicateKey](core, crm.LedgerOf[duplicateKey]{
		Name: "duplicate_key", Key: []string{"hash", "customer_id", "origin"},
	}); err != nil {
		return err
	}
	if d.holds, err = crm.DefineLedger[duplicateHold](core, crm.LedgerOf[duplicateHold]{Name: "duplicate_hold", Key: []string{"hash"}}); err != nil {
		return err
	}
	core.AddCheck(d.checkKeys)
	return core.AddPersonalData(crm.PersonalData{Name: "duplicate_keys", Export: d.exportKeys, Erase: d.eraseKeys})
}

// keyring gathers the keys of a record.
type keyring struct {
	tenant string
	kind   Kind
	of     []crm.ID
}

func (k *keyring) add(c class, text string) {
	h := sha256.New()
	for _, part := range []string{k.tenant, string(k.kind), text} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		_, _ = h.Write(n[:]) // never fails
		_, _ = h.Write([]byte(part))
	}
	var id crm.ID
	copy(id[:], h.Sum([]byte{byte(c), match.KeysVersion}))
	if !slices.Contains(k.of, id) {
		k.of = append(k.of, id)
	}
}

func (k *keyring) address(kind crm.AddressKind, value string) {
	switch kind {
	case crm.AddressEmail:
		for i, text := range match.Keys(match.Email, value, nil) {
			switch {
			case i == 0:
				k.add(ofEmail, text)
			case k.kind == Organisation: // everyone of a company has its domain
				k.add(ofDomain, text)
			}
		}
	case crm.AddressPhone:
		for _, text := range match.Keys(match.Phone, value, nil) {
			k.add(ofPhone, text)
		}
	}
}

// keysOf are the match keys of a living customer by what he has himself; none of nobody.
func (d *Duplicates) keysOf(ctx context.Context, c *Customer) []crm.ID {
	if c == nil || !c.Deleted.IsZero() {
		return nil
	}
	k := keyring{tenant: crm.TenantOf(ctx), kind: c.Kind}
	k.address(crm.AddressEmail, c.Email)
	k.address(crm.AddressPhone, c.Phone)
	if c.Name != erasedName {
		named := match.Company
		if c.Kind == Person {
			named = match.Person
		}
		for _, text := range match.Keys(named, c.Name, d.people.core.Readings) {
			if text[0] == '~' {
				k.add(ofSound, text)
				continue
			}
			k.add(ofName, text)
			if c.Birthday != (crm.Date{}) {
				k.add(ofNameAndBirthday, text+" "+c.Birthday.String())
			}
		}
	}
	if c.Birthday != (crm.Date{}) {
		k.add(ofBirthday, c.Birthday.String())
	}
	slices.SortFunc(k.of, crm.ID.Compare)
	return k.of
}

// erasedName is what the kernel calls a person who was erased.
const erasedName = "erased"

// identityKeys are the match keys that an identity gives its customer.
func identityKeys(ctx context.Context, of Kind, i *Identity) []crm.ID {
	if i == nil || !i.Deleted.IsZero() || i.Malformed || i.Value == erasedName {
		return nil
	}
	k := keyring{tenant: crm.TenantOf(ctx), kind: of}
	k.address(i.Kind, i.Value)
	slices.SortFunc(k.of, crm.ID.Compare)
	return k.of
}

// without are the elements of a list that are not in another.
func without(list, other []crm.ID) (rest []crm.ID) {
	for _, id := range list {
		if !slices.Contains(other, id) {
			rest = append(rest, id)
		}
	}
	return rest
}

// written keeps a customer's match keys, and holds him to the policy: AfterWrite.
func (d *Duplicates) written(ctx context.Context, w *crm.Write[Customer]) error {
	either := w.After
	if either == nil {
		either = w.Before
	}
	policy, err := d.policyOf(ctx, either.Kind)
	if err != nil || policy == nil || sameKeyed(w.Before, w.After) {
		return err
	}
	had, has := d.keysOf(ctx, w.Before), d.keysOf(ctx, w.After)
	added, gone := without(has, had), without(had, has)
	if len(added) > 0 && !isUncounted(ctx) { // a merge, or undoing one, is nobody new
		if err := d.guard(ctx, policy, w.After, added); err != nil {
			return err
		}
	}
	if w.After == nil || w.Event == "customer.absorbed" || w.Event == "customer.deleted" {
		return d.keys.Remove(ctx, crm.Where("customer_id == $1 and origin == $1", either.ID))
	}
	return d.change(ctx, either.ID, either.ID, added, gone)
}

// sameKeyed reports whether nothing changed of which there are keys.
func sameKeyed(a, b *Customer) bool {
	return a != nil && b != nil && a.Name == b.Name && a.Email == b.Email && a.Phone == b.Phone && a.Birthday == b.Birthday && a.Deleted.Equal(b.Deleted)
}

// change adds and removes keys of a customer.
func (d *Duplicates) change(ctx context.Context, customer, origin crm.ID, added, gone []crm.ID) error {
	if len(gone) > 0 {
		if err := d.keys.Remove(ctx, crm.Where("hash in $1 and customer_id == $2 and origin == $3", gone, customer, origin)); err != nil {
			return err
		}
	}
	rows := make([]duplicateKey, len(added))
	for i, hash := range added {
		rows[i] = duplicateKey{hash, customer, origin}
	}
	_, err := d.keys.Add(ctx, rows...)
	return err
}

// identityWritten keeps the match keys that an identity gives its customer: AfterWrite.
func (d *Duplicates) identityWritten(ctx context.Context, w *crm.Write[Identity]) error {
	known, err := d.policies.Known(ctx)
	if err != nil || len(known) == 0 {
		return err
	}
	same := w.Before != nil && w.After != nil && w.Before.Deleted.Equal(w.After.Deleted) && w.Before.CustomerID == w.After.CustomerID &&
		w.Before.Kind == w.After.Kind && w.Before.Value == w.After.Value
	if same {
		return nil
	}
	if w.Before != nil {
		if err := d.keys.Remove(ctx, crm.Where("customer_id == $1 and origin == $2", w.Before.CustomerID, w.Before.ID)); err != nil {
			return err
		}
	}
	if w.After == nil || !w.After.Deleted.IsZero() {
		return nil
	}
	owner, err := d.people.Get(crm.SystemIn(ctx), w.After.CustomerID, crm.WithDeleted())
	if err != nil {
		return err
	}
	if policy, err := d.policyOf(ctx, owner.Kind); err != nil || policy == nil {
		return err
	}
	return d.change(ctx, owner.ID, w.After.ID, identityKeys(ctx, owner.Kind, w.After), nil)
}

// keysOrder is what a job that makes keys is told.
type keysOrder struct {
	// Kind is whose keys; empty: whose are not of the version of this program.
	Kind Kind `json:"kind"`
	// Again says that they are looked at once more some minutes later, since another process
	// may have learned of the policy later than this one.
	Again bool `json:"again"`
}

// keysAgain is when keys are looked at once more: past any Config.RightsLag, and any
// transaction that was open when the policy was made.
const keysAgain = 5 * time.Minute

func (d *Duplicates) keysJob(ctx context.Context, _ crm.Job, order keysOrder) error {
	kinds := []Kind{order.Kind}
	if order.Kind == "" {
		kinds = nil
		known, err := d.policies.Known(ctx)
		if err != nil {
			return err
		}
		for _, p := range known {
			if p.KeysVersion != match.KeysVersion {
				kinds = append(kinds, p.Kind)
			}
		}
	}
	for _, kind := range kinds {
		if _, err := d.buildKeys(ctx, kind, func(done, total int64) error { return crm.Progress(ctx, done, total) }); err != nil {
			return err
		}
	}
	if !order.Again {
		return nil
	}
	_, err := d.people.core.Jobs.Enqueue(ctx, crm.Job{
		Kind: keysJob, Key: string(order.Kind) + " again", Payload: keysOrder{Kind: order.Kind}, Due: d.people.core.Now(ctx).Add(keysAgain),
	})
	return err
}

// BuildKeys makes the match keys of all customers of a kind what they are to be, and
// returns of how many they were not: those who were there before the [DuplicatePolicy], or
// all when the version of the keys is another. Without a policy it removes them. A job does
// it soon after a policy comes or goes, and every night where the version is not that of
// the program. It writes a hundred customers at a time: ended in between, it goes on when
// it is called again. It is the host's: call it as [crm.System].
func (d *Duplicates) BuildKeys(ctx context.Context, kind Kind) (int64, error) {
	n, err := d.buildKeys(ctx, kind, func(int64, int64) error { return nil })
	return n, failed("build keys", "customer", crm.ID{}, err)
}

// keysBatch is how many customers get their keys in one transaction.
const keysBatch = 100

func (d *Duplicates) buildKeys(ctx context.Context, kind Kind, progress func(done, total int64) error) (changed int64, err error) {
	if err := d.people.May(ctx, crm.VerbDelete); err != nil { // as removing them does
		return 0, err
	}
	ctx = crm.SystemIn(ctx)
	total, err := d.people.Count(ctx, crm.Where("kind == $1", string(kind)))
	if err != nil {
		return 0, err
	}
	var done int64
	for cursor := ""; ; {
		page, err := d.people.List(ctx, crm.Where("kind == $1", string(kind)), crm.OrderBy("id"), crm.Limit(keysBatch), crm.After(cursor))
		if err != nil {
			return changed, err
		}
		n, err := d.buildPage(ctx, kind, page.Items)
		changed += n
		if err != nil {
			return changed, err
		}
		if done += int64(len(page.Items)); done%(10*keysBatch) == 0 || page.Next == "" {
			if err := progress(done, max(done, total)); err != nil {
				return changed, err
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return changed, d.keysBuilt(ctx, kind)
}

// keysBuilt notes that every customer of a kind has his keys.
func (d *Duplicates) keysBuilt(ctx context.Context, kind Kind) error {
	policy, err := d.policyOf(ctx, kind)
	if err != nil || policy == nil || policy.KeysVersion == match.KeysVersion {
		return err
	}
	_, err = d.policies.Do(ctx, policy.ID, "keys_built", func(p *DuplicatePolicy) error {
		p.KeysVersion = match.KeysVersion
		return nil
	})
	if errors.Is(err, crm.ErrNotFound) { // it was deleted meanwhile
		return nil
	}
	return err
}

// buildPage sets right the keys of some customers. Those of whom they are not right are held
// first, so that nobody changes them meanwhile.
func (d *Duplicates) buildPage(ctx context.Context, kind Kind, page []Customer) (changed int64, err error) {
	policy, err := d.policyOf(ctx, kind)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	wrong, err := d.wrongKeys(ctx, policy, page)
	if err != nil || len(wrong) == 0 {
		return 0, err
	}
	err = d.people.core.Tx(ctx, func(ctx context.Context) error {
		var held []Customer
		for _, id := range wrong {
			c, err := d.people.kind.Hold(ctx, id)
			switch {
			case errors.Is(err, crm.ErrNotFound): // deleted meanwhile, with his keys
				continue
			case err != nil:
				return err
			}
			held = append(held, c)
		}
		if len(held) == 0 {
			return nil
		}
		expected, there, err := d.compareKeys(ctx, policy, held)
		if err != nil {
			return err
		}
		var added []duplicateKey
		for k := range expected {
			if !there[k] {
				added = append(added, k)
			}
		}
		gone := map[duplicateKey][]crm.ID{} // by customer and origin
		for k := range there {
			if !expected[k] {
				of := duplicateKey{CustomerID: k.CustomerID, Origin: k.Origin}
				gone[of] = append(gone[of], k.Hash)
			}
		}
		for of, hashes := range gone {
			if err := d.change(ctx, of.CustomerID, of.Origin, nil, hashes); err != nil {
				return err
			}
		}
		_, err = d.keys.Add(ctx, added...)
		return err
	})
	return int64(len(wrong)), err
}

// wrongKeys are those of some customers who have other keys than they should.
func (d *Duplicates) wrongKeys(ctx context.Context, policy *DuplicatePolicy, page []Customer) (wrong []crm.ID, err error) {
	expected, there, err := d.compareKeys(ctx, policy, page)
	if err != nil {
		return nil, err
	}
	off := map[crm.ID]bool{}
	for k := range expected {
		if !there[k] {
			off[k.CustomerID] = true
		}
	}
	for k := range there {
		if !expected[k] {
			off[k.CustomerID] = true
		}
	}
	for id := range off {
		wrong = append(wrong, id)
	}
	slices.SortFunc(wrong, crm.ID.Compare) // so that two who hold them don't wait for each other
	return wrong, nil
}

// compareKeys returns the keys that customers of a kind should have, none without a policy,
// and those they have.
func (d *Duplicates) compareKeys(ctx context.Context, policy *DuplicatePolicy, page []Customer) (expected, there map[duplicateKey]bool, err error) {
	expected, there = map[duplicateKey]bool{}, map[duplicateKey]bool{}
	kinds, ids := map[crm.ID]Kind{}, make([]crm.ID, len(page))
	for i := range page {
		c := &page[i]
		ids[i], kinds[c.ID] = c.ID, c.Kind
		if policy == nil {
			continue
		}
		for _, hash := range d.keysOf(ctx, c) {
			expected[duplicateKey{hash, c.ID, c.ID}] = true
		}
	}
	for row, err := range d.keys.All(ctx, crm.Where("customer_id in $1", ids), crm.OrderBy("customer_id", "hash", "origin")) {
		if err != nil {
			return nil, nil, err
		}
		there[row] = true
	}
	if policy == nil {
		return expected, there, nil
	}
	for i, err := range d.people.Identities.All(ctx, crm.Where("customer_id in $1", ids), crm.OrderBy("created")) {
		if err != nil {
			return nil, nil, err
		}
		for _, hash := range identityKeys(ctx, kinds[i.CustomerID], &i) {
			expected[duplicateKey{hash, i.CustomerID, i.ID}] = true
		}
	}
	return expected, there, nil
}

// checkKeys finds customers whose match keys are not what they should be.
func (d *Duplicates) checkKeys(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	known, err := d.policies.Known(ctx)
	if err != nil {
		return err
	}
	for _, policy := range known {
		if policy.KeysVersion != match.KeysVersion { // they are being made
			continue
		}
		for cursor := ""; ; {
			page, err := d.people.List(ctx, crm.Where("kind == $1", string(policy.Kind)), crm.OrderBy("id"), crm.Limit(keysBatch), crm.After(cursor))
			if err != nil {
				return err
			}
			wrong, err := d.wrongKeys(ctx, policy, page.Items)
			if err != nil {
				return err
			}
			for _, id := range wrong {
				found("customer", id, "its match keys are not those of its fields: Duplicates.BuildKeys sets them right")
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return nil
}

// exportKeys gives the match keys of a customer.
func (d *Duplicates) exportKeys(ctx context.Context, object string, id crm.ID, yield func(any) error) error {
	if object != "customer" {
		return nil
	}
	if err := d.people.May(ctx, crm.VerbRead, id); errors.Is(err, crm.ErrNotFound) { // he was deleted, and has none
		return nil
	} else if err != nil {
		return err
	}
	for row, err := range d.keys.All(ctx, crm.Where("customer_id == $1", id), crm.OrderBy("customer_id", "hash", "origin")) {
		if err == nil {
			err = yield(row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseKeys removes the match keys of a customer, or of one of his identities.
func (d *Duplicates) eraseKeys(ctx context.Context, object string, id crm.ID) (int64, error) {
	var of crm.ListOption
	switch object {
	case "customer":
		of = crm.Where("customer_id == $1", id)
	case "identity":
		i, err := d.people.Identities.Get(ctx, id, crm.WithDeleted())
		if errors.Is(err, crm.ErrNotFound) { // purged, with its keys
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		of = crm.Where("customer_id == $1 and origin == $2", i.CustomerID, id)
	default:
		return 0, nil
	}
	n, err := d.keys.Count(ctx, of)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, d.keys.Remove(ctx, of)
}

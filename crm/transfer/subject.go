package transfer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// What hangs on a record of any kind, as notes and tasks do, says which by two fields: the
// record's kind and its id. Of these a source may have the record's own key alone.

// means reports whether a heading that says whose a value is means a kind of record.
func means(kind, of string) bool {
	return of != "" && (of == kind || of == sort[kind] || kind == "customer" && of == "organisation")
}

// subjectNamed is the kind of record on which others hang that a text means, or empty:
// "deal", "Opportunity", "Accounts".
func (k *kind) subjectNamed(text string) string {
	if k.subject == nil || text == "" {
		return ""
	}
	if i := slices.IndexFunc(k.subject.Subjects, func(name string) bool { return plainName(name) == plainName(text) }); i >= 0 {
		return k.subject.Subjects[i]
	}
	of := heading.One(text).Of
	i := slices.IndexFunc(k.subject.Subjects, func(name string) bool { return means(name, text) || means(name, of) })
	if i < 0 {
		return ""
	}
	return k.subject.Subjects[i]
}

// subject says of what a row hangs on of what kind it is, where the row says so.
func (r *cellReader) subject(out *taken) {
	f := r.kind.subject
	if f == nil {
		return
	}
	said, _ := out.values[f.Subject].(string)
	kind := r.kind.subjectNamed(said)
	if said != "" && kind == "" {
		out.failf(f.Subject, "%q is no kind of record on which others hang: it is one of %s", clip(said), strings.Join(f.Subjects, ", "))
		return
	}
	at := slices.IndexFunc(out.links, func(l link) bool { return l.field == f.Name })
	switch {
	case at < 0 && !f.Required: // on nothing
		delete(out.values, f.Subject)
	case kind != "":
		out.values[f.Subject] = kind
		if at >= 0 {
			out.links[at].kind = kind
		}
	}
}

// subjects are the kinds of records that a column may refer to which says what rows hang
// on: the one that the plan says for all of them, or the heading, or else any.
func (p *Plan) subjects(k *kind, c Column) []string {
	said := ""
	if !slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Field == k.subject.Subject }) {
		said = cmp.Or(k.subjectNamed(p.Set[k.subject.Subject]), k.subjectNamed(c.role.Of))
	}
	if said == "" {
		return k.subject.Subjects
	}
	return []string{said}
}

// What columns are called that hold the key of what a row hangs on, and its kind, without
// what people write differently. The surest come first.
//
//nolint:gochecknoglobals // constants
var (
	subjectHeadings = []string{
		"whatid", "relatedtoid", "relatedrecordid", "relatedid", "associatedrecordid", "associatedobjectid", "linkedentityid", "regardingobjectid", "regardingid",
		"parentid", "parentidid", "parentrecordid", "entityid", "whoid", "关联记录", "关联记录id", "关联id", "所属记录",
	}
	subjectKindHeadings = []string{
		"relatedtotype", "relatedrecordtype", "relatedtype", "relatedobject", "associatedobjecttype", "parenttype", "whattype", "regardingobjecttype", "regardingtype",
		"entitytype", "关联对象类型", "关联类型",
	}
	// hungHeadings are of what else such a record has, by field.
	hungHeadings = map[string][]string{
		"title": {"subject", "name", "tasktitle", "tasksubject", "callsubject", "meetingname", "主题", "标题", "任务名称"},
		"text": {"body", "content", "description", "notebody", "notecontent", "notetext",
			"commentbody", "commentcontent", "comments", "notes", "taskbody", "callnotes", "内容", "备注", "描述"},
		"due_on": {"duedate", "activitydate", "due", "deadline", "截止日期", "到期日期", "截止时间"},
		"at":     {"activitydate", "activitydatetime", "startdatetime", "starttime", "callstarttime", "日期", "时间", "跟进时间"},
	}
)

// bySubject takes a column that says what a row hangs on.
func (g *guesser) bySubject(c *Column) bool {
	f := g.kind.subject
	if f == nil || strings.EqualFold(strings.TrimSpace(c.Heading), f.Name) {
		return false
	}
	switch rank := g.subjectRank(*c); {
	case rank >= 0:
		c.Field, c.Rank = f.Name, c.Rank+rank
	case slices.Contains(subjectKindHeadings, plainName(c.Heading)):
		c.Field = f.Subject
	case plainName(c.Heading) == plainName(f.Name) && slices.ContainsFunc(g.plan.Columns, func(o Column) bool { return g.subjectRank(o) >= 0 }):
		c.Field = "refs." + g.plan.System // its own, since another column has what it hangs on
	default:
		return false
	}
	return true
}

// byHung takes a column for what records that hang on others have besides.
func (g *guesser) byHung(c *Column) bool {
	if g.kind.subject == nil {
		return false
	}
	for _, field := range slices.Sorted(maps.Keys(hungHeadings)) {
		if g.kind.byName[field] != nil && slices.Contains(hungHeadings[field], plainName(c.Heading)) {
			c.Field = field
			return true
		}
	}
	return false
}

// subjectRank is the place of a column among those that hold the key of what a row hangs
// on, or -1: it is none.
func (g *guesser) subjectRank(c Column) int {
	plain := plainName(c.Heading)
	tree := slices.ContainsFunc(g.kind.fields, func(f crm.FieldInfo) bool { return f.Tree })
	if i := slices.Index(subjectHeadings, plain); i >= 0 && !(tree && c.role.Role == heading.Parent) {
		return i
	}
	other := slices.ContainsFunc(g.kind.fields, func(f crm.FieldInfo) bool { return f.Ref != "" && means(f.Ref, c.role.Of) })
	if c.role.Role == heading.ExternalID && g.kind.subjectNamed(c.role.Of) != "" && !other {
		return len(subjectHeadings) + slices.Index([]string{"deal", "order", "product", "person", "organisation"}, c.role.Of)
	}
	return -1
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A mutant is a small change of a file.
type mutant struct {
	pkg  string // import path
	file string // absolute path
	name string // path to print
	line int
	kind string
	src  []byte // of the file
	from int    // what is replaced
	to   int
	text string // by this
}

// String says where the change is, and what it does.
func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d %s: %s -> %s", m.name, m.line, m.kind, brief(string(m.src[m.from:m.to])), brief(m.text))
}

// brief returns the first line of a text.
func brief(text string) string {
	if text == "" {
		return "(nothing)"
	}
	first, _, more := strings.Cut(text, "\n")
	if more {
		first += " …"
	}
	return first
}

// changed returns the file with the change.
func (m *mutant) changed() []byte {
	return []byte(string(m.src[:m.from]) + m.text + string(m.src[m.to:]))
}

// diff returns the lines that change, before and after.
func (m *mutant) diff() string {
	start := strings.LastIndexByte(string(m.src[:m.from]), '\n') + 1
	end := len(m.src)
	if k := strings.IndexByte(string(m.src[m.to:]), '\n'); k >= 0 {
		end = m.to + k
	}
	var b strings.Builder
	for line := range strings.SplitSeq(string(m.src[start:end]), "\n") {
		b.WriteString("- " + line + "\n")
	}
	for line := range strings.SplitSeq(string(m.src[start:m.from])+m.text+string(m.src[m.to:end]), "\n") {
		b.WriteString("+ " + line + "\n")
	}
	return b.String()
}

// find lists all changes of the packages that match, but for fakes and other packages that only tests use.
func find(ctx context.Context, folder string, patterns []string) (all []*mutant, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json=ImportPath,Dir,GoFiles"}, patterns...)...)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	here, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var pkg struct {
			ImportPath, Dir string
			GoFiles         []string
		}
		if err := d.Decode(&pkg); err != nil {
			return nil, err
		}
		if strings.HasSuffix(pkg.ImportPath, "test") || strings.HasSuffix(pkg.ImportPath, "/intercept") {
			continue
		}
		for _, name := range pkg.GoFiles {
			path := filepath.Join(pkg.Dir, name)
			src, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			found, err := mutantsOf(path, src)
			if err != nil {
				return nil, err
			}
			for _, m := range found {
				m.pkg, m.name = pkg.ImportPath, path
				if rel, err := filepath.Rel(here, path); err == nil {
					m.name = rel
				}
			}
			all = append(all, found...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is nothing to change", strings.Join(patterns, ","))
	}
	return all, nil
}

// finder finds the changes of a file.
type finder struct {
	file  string
	src   []byte
	set   *token.FileSet
	found []*mutant
	keep  map[ast.Node]bool // literals that only bound a size, and conditions that are changed in another way
}

// mutantsOf lists the changes of a file.
func mutantsOf(path string, src []byte) ([]*mutant, error) {
	f := &finder{file: path, src: src, set: token.NewFileSet(), keep: map[ast.Node]bool{}}
	file, err := parser.ParseFile(f.set, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				f.returns(n.Type, n.Body)
				f.early(n.Type, n.Body)
			}
		case *ast.FuncLit:
			f.returns(n.Type, n.Body)
		case *ast.IfStmt:
			f.condition(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				f.condition(n.Cond)
			}
		case *ast.BlockStmt:
			f.statements(n.List)
		case *ast.CaseClause:
			f.statements(n.Body)
		case *ast.CommClause:
			f.statements(n.Body)
		case *ast.ArrayType:
			if n.Len != nil {
				f.keep[n.Len] = true
			}
		case *ast.CallExpr:
			f.call(n)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				f.replace("not", n, f.text(n.X))
			}
		case *ast.AssignStmt:
			if op, ok := assignments[n.Tok]; ok {
				f.at("operator", n.TokPos, len(n.Tok.String()), op.String())
			}
		case *ast.IncDecStmt:
			f.at("operator", n.TokPos, 2, map[token.Token]string{token.INC: "--", token.DEC: "++"}[n.Tok])
		case *ast.BranchStmt:
			if other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[n.Tok]; other != "" && n.Label == nil {
				f.replace("branch", n, other)
			}
		case *ast.Ident:
			if other := map[string]string{"true": "false", "false": "true"}[n.Name]; other != "" {
				f.replace("constant", n, other)
			}
		case *ast.BasicLit:
			f.literal(n)
		case *ast.SelectorExpr:
			f.duration(n)
		}
		return true
	})
	return f.found, nil
}

// text returns the source of a node.
func (f *finder) text(n ast.Node) string { return string(f.src[f.offset(n.Pos()):f.offset(n.End())]) }

func (f *finder) offset(pos token.Pos) int { return f.set.Position(pos).Offset }

// replace notes that the text of a node may be another one.
func (f *finder) replace(kind string, n ast.Node, text string) {
	f.at(kind, n.Pos(), int(n.End()-n.Pos()), text)
}

func (f *finder) at(kind string, pos token.Pos, size int, text string) {
	p := f.set.Position(pos)
	f.found = append(f.found, &mutant{file: f.file, line: p.Line, kind: kind, src: f.src, from: p.Offset, to: p.Offset + size, text: text})
}

var (
	boundaries  = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}
	equalities  = map[token.Token]token.Token{token.EQL: token.NEQ, token.NEQ: token.EQL}
	logic       = map[token.Token]token.Token{token.LAND: token.LOR, token.LOR: token.LAND}
	arithmetic  = map[token.Token]token.Token{token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL}
	assignments = map[token.Token]token.Token{
		token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN,
	}
)

// condition negates a condition, unless another change does.
func (f *finder) condition(cond ast.Expr) {
	switch c := cond.(type) {
	case *ast.UnaryExpr:
		if c.Op == token.NOT {
			return
		}
	case *ast.BinaryExpr:
		if _, ok := equalities[c.Op]; ok {
			return
		}
	}
	f.replace("condition", cond, "!("+f.text(cond)+")")
}

func (f *finder) binary(n *ast.BinaryExpr) {
	size := len(n.Op.String())
	if op, ok := boundaries[n.Op]; ok {
		f.at("boundary", n.OpPos, size, op.String())
	}
	if op, ok := equalities[n.Op]; ok {
		f.at("condition", n.OpPos, size, op.String())
	}
	if op, ok := arithmetic[n.Op]; ok {
		f.at("operator", n.OpPos, size, op.String())
	}
	if op, ok := logic[n.Op]; ok { // in parentheses, since one binds tighter than the other
		f.replace("logic", n, "("+f.text(n.X)+" "+op.String()+" "+f.text(n.Y)+")")
	}
}

// call exchanges min and max. The capacity that make is told is no matter of the tests.
func (f *finder) call(n *ast.CallExpr) {
	name, ok := n.Fun.(*ast.Ident)
	switch {
	case !ok:
	case name.Name == "min":
		f.replace("function", name, "max")
	case name.Name == "max":
		f.replace("function", name, "min")
	case name.Name == "make" && len(n.Args) == 3:
		f.keep[n.Args[2]] = true
	}
}

// literal adds one to a number.
func (f *finder) literal(n *ast.BasicLit) {
	if f.keep[n] || n.Kind != token.INT {
		return
	}
	if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
		f.replace("constant", n, strconv.FormatInt(v+1, 10))
	}
}

// duration makes a unit of time three times as long.
func (f *finder) duration(n *ast.SelectorExpr) {
	if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" {
		switch n.Sel.Name {
		case "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour":
			f.replace("constant", n, "(3 * "+f.text(n)+")")
		}
	}
}

// statements leaves statements out.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
			if name, ok := s.Lhs[0].(*ast.Ident); ok && name.Name == "_" && len(s.Lhs) == 1 {
				if _, ok := s.Rhs[0].(*ast.CallExpr); !ok {
					continue // it does nothing
				}
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		f.replace("statement", s, "{}")
	}
}

// returns has a function return zero values.
func (f *finder) returns(t *ast.FuncType, body *ast.BlockStmt) {
	zeros := f.zeros(t)
	if zeros == "" {
		return
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			for _, value := range n.Results {
				if !isZero(value) {
					f.replace("result", n, "return "+zeros)
					break
				}
			}
		}
		return true
	})
}

// early has a function return at once.
func (f *finder) early(t *ast.FuncType, body *ast.BlockStmt) {
	if len(body.List) == 0 {
		return
	}
	if _, ok := body.List[0].(*ast.ReturnStmt); ok {
		return
	}
	f.at("result", body.Lbrace+1, 0, strings.TrimSpace("return "+f.zeros(t))+";")
}

// zeros returns the zero values of the results of a function.
func (f *finder) zeros(t *ast.FuncType) string {
	if t.Results == nil {
		return ""
	}
	var all []string
	for _, field := range t.Results.List {
		for range max(1, len(field.Names)) {
			all = append(all, "*new("+f.text(field.Type)+")")
		}
	}
	return strings.Join(all, ", ")
}

// isZero reports whether an expression is a zero value that has a name of its own.
func isZero(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "false"
	case *ast.BasicLit:
		return e.Value == "0" || e.Value == `""`
	case *ast.CompositeLit:
		return len(e.Elts) == 0 && e.Type != nil && !isSlice(e.Type)
	}
	return false
}

// isSlice reports whether the empty literal of a type is not its zero value.
func isSlice(t ast.Expr) bool {
	switch t.(type) {
	case *ast.ArrayType, *ast.MapType:
		return true
	}
	return false
}

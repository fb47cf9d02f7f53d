//! What a template may not say, found before it is compiled.
//!
//! The compiler computes constant expressions, without fuel. Two kinds of source would take it
//! forever: a list literal repeated by `*`, and an expression so deep that computing every part of
//! it again at each level is quadratic.

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, Expr, Stmt};

/// How deep an expression may be; `1 + 1 + 1` is three deep.
const MAX_EXPRESSION_DEPTH: usize = 1000;

/// Why the template is refused, if it is.
pub(super) fn check(statement: &Stmt<'_>) -> Result<(), String> {
    match statement {
        Stmt::Template(it) => check_all(&it.children),
        Stmt::EmitExpr(it) => check_expr(&it.expr),
        Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => Ok(()),
        Stmt::ForLoop(it) => {
            check_expr(&it.target)?;
            check_expr(&it.iter)?;
            it.filter_expr.iter().try_for_each(check_expr)?;
            check_all(&it.body)?;
            check_all(&it.else_body)
        }
        Stmt::IfCond(it) => {
            check_expr(&it.expr)?;
            check_all(&it.true_body)?;
            check_all(&it.false_body)
        }
        Stmt::WithBlock(it) => {
            for (target, value) in &it.assignments {
                check_expr(target)?;
                check_expr(value)?;
            }
            check_all(&it.body)
        }
        Stmt::Set(it) => {
            check_expr(&it.target)?;
            check_expr(&it.expr)
        }
        Stmt::SetBlock(it) => {
            check_expr(&it.target)?;
            it.filter.iter().try_for_each(check_expr)?;
            check_all(&it.body)
        }
        Stmt::AutoEscape(it) => {
            check_expr(&it.enabled)?;
            check_all(&it.body)
        }
        Stmt::FilterBlock(it) => {
            check_expr(&it.filter)?;
            check_all(&it.body)
        }
        Stmt::Macro(it) => {
            it.args
                .iter()
                .chain(&it.defaults)
                .try_for_each(check_expr)?;
            check_all(&it.body)
        }
        Stmt::CallBlock(it) => {
            check_call(&it.call, 0)?;
            let declared = &it.macro_decl;
            declared
                .args
                .iter()
                .chain(&declared.defaults)
                .try_for_each(check_expr)?;
            check_all(&declared.body)
        }
        Stmt::Do(it) => check_call(&it.call, 0).map(drop),
    }
}

fn check_all(statements: &[Stmt<'_>]) -> Result<(), String> {
    statements.iter().try_for_each(check)
}

fn check_expr(expr: &Expr<'_>) -> Result<(), String> {
    visit(expr, 0).map(drop)
}

/// Gives whether the compiler may compute a list or tuple from the expression.
fn visit(expr: &Expr<'_>, depth: usize) -> Result<bool, String> {
    if depth > MAX_EXPRESSION_DEPTH {
        return Err(format!(
            "line {}: an expression with more than {MAX_EXPRESSION_DEPTH} levels",
            expr.span().start_line
        ));
    }
    let inner = |expr: &Expr<'_>| visit(expr, depth + 1);
    let all = |exprs: &[Expr<'_>]| exprs.iter().try_for_each(|expr| inner(expr).map(drop));
    match expr {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::List(it) => {
            all(&it.items)?;
            return Ok(it.as_const().is_some());
        }
        Expr::Tuple(it) => {
            all(&it.items)?;
            return Ok(it.as_const().is_some());
        }
        Expr::Map(it) => {
            all(&it.keys)?;
            all(&it.values)?;
        }
        Expr::BinOp(it) => {
            let sequence = inner(&it.left)? | inner(&it.right)?;
            if sequence && matches!(it.op, BinOpKind::Mul) {
                return Err(format!(
                    "line {}: a list is repeated with *, which no chat template may",
                    expr.span().start_line
                ));
            }
            return Ok(sequence);
        }
        Expr::Slice(it) => {
            inner(&it.expr)?;
            for bound in [&it.start, &it.stop, &it.step].into_iter().flatten() {
                inner(bound)?;
            }
        }
        Expr::UnaryOp(it) => {
            inner(&it.expr)?;
        }
        Expr::Compare(it) => {
            inner(&it.expr)?;
            for other in &it.ops {
                inner(&other.expr)?;
            }
        }
        Expr::IfExpr(it) => {
            inner(&it.test_expr)?;
            inner(&it.true_expr)?;
            it.false_expr
                .iter()
                .try_for_each(|expr| inner(expr).map(drop))?;
        }
        Expr::Filter(it) => {
            it.expr.iter().try_for_each(|expr| inner(expr).map(drop))?;
            check_args(&it.args, depth + 1)?;
        }
        Expr::Test(it) => {
            inner(&it.expr)?;
            check_args(&it.args, depth + 1)?;
        }
        Expr::GetAttr(it) => {
            inner(&it.expr)?;
        }
        Expr::GetItem(it) => {
            inner(&it.expr)?;
            inner(&it.subscript_expr)?;
        }
        Expr::Call(it) => check_call(it, depth + 1)?,
    }
    Ok(false)
}

fn check_call(call: &Call<'_>, depth: usize) -> Result<(), String> {
    visit(&call.expr, depth)?;
    check_args(&call.args, depth)
}

fn check_args(args: &[CallArg<'_>], depth: usize) -> Result<(), String> {
    args.iter().try_for_each(|arg| match arg {
        CallArg::Pos(expr)
        | CallArg::Kwarg(_, expr)
        | CallArg::PosSplat(expr)
        | CallArg::KwargSplat(expr) => visit(expr, depth).map(drop),
    })
}

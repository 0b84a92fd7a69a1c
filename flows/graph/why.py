"""One line a stage: why it is fresh or stale."""

from flows.graph.plan import Plan


def explanations(plan: Plan) -> list[tuple[str, str]]:
    """Stage and line, in the plan's order."""
    return [(name, explanation(plan, name)) for name in plan.names]


def explanation(plan: Plan, name: str) -> str:
    step = plan[name]
    if step.status == "fresh":
        return "fresh: code, data, parameters and packages are those of its last run"
    reasons = "; ".join(map(str, step.reasons))
    if step.status == "stale":
        return f"stale: {reasons}"
    text = f"waits for {', '.join(plan.waits_for(name))}"
    return f"{text}; besides: {reasons}" if reasons else text

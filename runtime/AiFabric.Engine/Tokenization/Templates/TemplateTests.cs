using System.Collections.Frozen;
using System.Numerics;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>The tests that may follow <c>is</c>, and that <c>select</c> and its like name.</summary>
internal static class TemplateTests
{
    public static readonly FrozenDictionary<string, TemplateFunction> Known = new Dictionary<string, TemplateFunction>
    {
        ["defined"] = call => call.Value is not Undefined,
        ["undefined"] = call => call.Value is Undefined,
        ["none"] = call => call.Value is null,
        ["string"] = call => call.Value is TemplateText,
        ["number"] = call => call.Value is long or double or bool or BigInteger,
        ["integer"] = call => call.Value is long or BigInteger,
        ["float"] = call => call.Value is double,
        ["boolean"] = call => call.Value is bool,
        ["true"] = call => call.Value is true,
        ["false"] = call => call.Value is false,
        ["mapping"] = call => call.Value is TemplateMap,
        ["iterable"] = call => TemplateValues.Items(call.Value) is not null,
        ["sequence"] = call => call.Value is TemplateText or IReadOnlyList<object?> or TemplateMap,
        ["callable"] = call => call.Value is TemplateFunction,
        ["odd"] = call => Remainder(call, 2) == 1,
        ["even"] = call => Remainder(call, 2) == 0,
        ["divisibleby"] = call => call.One() is long divisor and not 0 ? Remainder(call, divisor) == 0 : throw call.Error("'divisibleby' needs an integer that is not 0"),
        ["equalto"] = call => call.Same(call.Value, call.One()),
        ["eq"] = call => call.Same(call.Value, call.One()),
        ["=="] = call => call.Same(call.Value, call.One()),
        ["ne"] = call => !call.Same(call.Value, call.One()),
        ["!="] = call => !call.Same(call.Value, call.One()),
        ["sameas"] = call => call.Value is TemplateText ? call.Same(call.Value, call.One()) : Equals(call.Value, call.One()),
        ["gt"] = call => Binary(call, ">"),
        ["ge"] = call => Binary(call, ">="),
        ["lt"] = call => Binary(call, "<"),
        ["le"] = call => Binary(call, "<="),
        ["in"] = call => Binary(call, "in"),
        ["lower"] = call => call.TextOf(call.Value) is var text && text.Text.Any(char.IsLower) && !text.Text.Any(char.IsUpper),
        ["upper"] = call => call.TextOf(call.Value) is var text && text.Text.Any(char.IsUpper) && !text.Text.Any(char.IsLower),
    }.ToFrozenDictionary();

    private static long Remainder(TemplateCall call, long divisor) =>
        call.Value is long integer ? (long)((((Int128)integer % divisor) + divisor) % divisor) : throw call.Error($"'{call.Name}' needs an integer, not {TemplateValues.KindOf(call.Value)}");

    private static object? Binary(TemplateCall call, string operation) =>
        new BinaryExpression(call.At, operation, new ConstantExpression(call.At, call.Value), new ConstantExpression(call.At, call.One())).Evaluate(call.Scope);
}

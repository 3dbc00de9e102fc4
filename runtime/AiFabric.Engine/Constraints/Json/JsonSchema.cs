using System.Text.Json;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>
/// JSON Schema (draft 2020-12) as a grammar. Every text of the grammar is JSON that the schema allows; of what a schema allows, the grammar
/// gives one way of writing: members in the order of <c>properties</c>, white space as in <see cref="JsonText"/>, no members that the schema
/// does not name unless <c>additionalProperties</c> is given.
/// </summary>
/// <remarks>
/// Supported: <c>type</c> (also lists), <c>enum</c>, <c>const</c>, <c>anyOf</c>, <c>oneOf</c> of alternatives that exclude each other,
/// <c>allOf</c> of one, <c>$ref</c> inside the schema (recursive too), <c>properties</c>, <c>required</c>, <c>additionalProperties</c>,
/// <c>items</c>, <c>prefixItems</c>, <c>minItems</c>, <c>maxItems</c>, <c>minLength</c>, <c>maxLength</c>, <c>pattern</c>, <c>format</c>,
/// <c>minimum</c>, <c>maximum</c>, <c>exclusiveMinimum</c>, <c>exclusiveMaximum</c>, <c>multipleOf</c>, and annotations.
/// </remarks>
public static class JsonSchema
{
    /// <summary>Texts that a schema allows.</summary>
    /// <exception cref="GrammarException">The schema is malformed or uses a keyword that is not supported; the path names it.</exception>
    public static Grammar ToGrammar(JsonElement schema)
    {
        var rules = new Dictionary<string, Pattern>();
        return new Grammar(AddTo(rules, schema, ""), rules);
    }

    /// <summary>Any JSON object.</summary>
    public static Grammar AnyObject()
    {
        var rules = new Dictionary<string, Pattern>(JsonText.ScalarRules().Concat(JsonText.AnyRules()).Select(r => KeyValuePair.Create(r.Name, r.Pattern)));
        return new Grammar(JsonText.AnyObject(), rules);
    }

    /// <summary>Adds what a schema needs to the rules of a grammar.</summary>
    /// <param name="rules">Receives the rules.</param>
    /// <param name="schema">The schema.</param>
    /// <param name="name">Tells its rules from those of others.</param>
    /// <returns>Texts that the schema allows.</returns>
    /// <exception cref="GrammarException">The schema is malformed or uses a keyword that is not supported; the path names it.</exception>
    public static Pattern AddTo(IDictionary<string, Pattern> rules, JsonElement schema, string name)
    {
        foreach (var (rule, pattern) in JsonText.ScalarRules().Concat(JsonText.AnyRules()))
            rules[rule] = pattern;
        return new SchemaReader(schema, name, rules).Read();
    }
}

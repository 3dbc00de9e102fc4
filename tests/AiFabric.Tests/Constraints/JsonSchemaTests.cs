using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Json;
using Xunit;

namespace AiFabric.Tests.Constraints;

public sealed class JsonSchemaTests
{
    private static Grammar Read(string schema) => JsonSchema.ToGrammar(JsonDocument.Parse(schema).RootElement);

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"}},"required":["a"]}""",
        """{"a":1} | {"a": -20,"b":true} | {"a":0, "b": false}""", """{} | {"b":true} | {"b":true,"a":1} | {"a":01} | {"a":1.5} | {"a":1,"c":2} | { "a":1} | {"a":  1}""")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}}}""",
        """{} | {"a":null} | {"b":null} | {"a":null,"c":null} | {"b":null,"c":null}""", """{,"a":null} | {"a":null,} | {"c":null,"a":null}""")]
    [InlineData("""{"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":{"type":"integer"}}""",
        """{"a":1} | {"abc":1,"x":2} | {"ab":null,"":3}""", """{"ab":1} | {"ab":null,"ab":1} | {"x":null} | {"\u0061b":1}""")]
    [InlineData("""{"type":"object","required":["x"]}""", """{"x":[1,{"y":null}]}""", """{} | {"y":1}""")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3}""", "[1] | [1,2] | [1, 2, 3]", "[] | [1,2,3,4] | [1,] | [1 ,2]")]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":1,"items":false}""", """[1] | [1,"a"]""", """[] | ["a"] | [1,"a",2]""")]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"maxItems":3}""", "[] | [1] | [1,null,null]", "[null] | [1,2] | [1,null,null,null]")]
    [InlineData("""{"type":["string","null"],"maxLength":2}""", """ "" | "é" | "😀a" | "\n\u00e9" | null""", """ "abc" | 1""")]
    [InlineData("""{"enum":["a",1,null,{"x":[1,2]}]}""", """ "a" | 1 | null | {"x":[1,2]}""", """ "b" | 2 | {"x": [1,2]}""")]
    [InlineData("""{"const":"say \"hi\""}""", """ "say \"hi\"" """, """ "say""")]
    [InlineData("""{"type":"string","pattern":"^a\\d$"}""", """ "a1" """, """ "a" | "a12" | "ba1" """)]
    [InlineData("""{"type":"string","pattern":"\"|\\\\"}""", """ "x\"y" | "\\" """, """ "x" """)]
    [InlineData("""{"type":"integer","minimum":-3,"exclusiveMaximum":12}""", "-3 | 0 | 9 | 11", "-4 | 12 | 100 | -0")]
    [InlineData("""{"type":"integer","minimum":98,"maximum":1203}""", "98 | 100 | 999 | 1200 | 1203", "97 | 1204 | 9 | 2000")]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":1.5}""", "0.25 | 0.3 | 1 | 1.5 | 1.4999 | 0.250", "0 | 0.2 | 0.24 | 1.51 | 2 | -1")]
    [InlineData("""{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}""", "0.1 | 0.0001 | 0.9999", "0 | 0.0 | 1 | 1.0 | -0.5")]
    [InlineData("""{"type":"number","maximum":-0.5}""", "-0.5 | -1 | -20.25", "-0.4 | 0 | 1")]
    [InlineData("""{"type":"number"}""", "-0.5 | 1e10 | 2.5E-3 | 0", "01 | 1. | .5 | 1e | +1 | 1e999")]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "0.5 | 12.25 | 3", "0.125")]
    [InlineData("""{"type":"integer","multipleOf":100}""", "0 | 100 | -1200", "50 | 10")]
    [InlineData("""{"type":"integer","multipleOf":7,"minimum":0,"maximum":30}""", "0 | 7 | 28", "1 | 35")]
    [InlineData("""{"type":"string","format":"date"}""", """ "2024-02-29" | "1999-12-31" """, """ "2023-02-29" | "2024-13-01" | "2024-04-31" | "2100-02-29" """)]
    [InlineData("""{"type":"string","format":"date-time"}""", """ "2024-02-29T23:59:59Z" | "2024-01-01T00:00:00.5+01:00" """, """ "2024-02-29" | "2024-01-01T24:00:00Z" """)]
    [InlineData("""{"type":"string","format":"ipv4"}""", """ "127.0.0.1" | "255.255.255.255" """, """ "256.0.0.1" | "1.2.3" | "01.2.3.4" """)]
    [InlineData("""{"anyOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}""",
        """{"k":"a","x":1} | {"k":"b"}""", """{"k":"a"} | {"k":"b","x":1}""")]
    [InlineData("""{"oneOf":[{"type":"string"},{"type":"integer"}]}""", """ "a" | 1""", "null")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"null"}}}""", "null", "1")]
    [InlineData("""{"$ref":"#/$defs/list","$defs":{"list":{"anyOf":[{"type":"null"},{"type":"object","properties":{"next":{"$ref":"#/$defs/list"}},"required":["next"],"additionalProperties":false}]}}}""",
        """null | {"next":null} | {"next":{"next":{"next":null}}}""", """{} | {"next":{"next":null}""")]
    [InlineData("""{"title":"T","description":"d","type":"boolean","default":true,"examples":[false]}""", "true | false", "null")]
    [InlineData("""{"properties":{"a.properties.b":{"type":"array","items":{"type":"null"}},"a":{"type":"object","properties":{"b":{"type":"array","items":{"type":"integer"}}}}}}""",
        """{"a.properties.b":[null],"a":{"b":[1]}}""", """{"a":{"b":[null]}} | {"a.properties.b":[1]}""")]
    public void A_schema_allows_what_it_says(string schema, string allowed, string forbidden)
    {
        var grammar = Read(schema);
        Assert.All(Texts(allowed), text => Assert.True(TestVocabulary.Accepts(grammar, text), text));
        Assert.All(Texts(forbidden), text => Assert.False(TestVocabulary.Accepts(grammar, text), text));
    }

    [Theory]
    [InlineData("""{"type":"object","patternProperties":{}}""", "patternProperties", "not supported")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"type":"string","contentEncoding":"base64"}}}}""", "properties.a.items.contentEncoding", "not supported")]
    [InlineData("""{"$ref":"#/$defs/x","$defs":{"x":{"properties":{"y":{"not":{}}}}}}""", "#/$defs/x.properties.y.not", "not supported")]
    [InlineData("""{"type":"string","format":"color"}""", "format", "supported are")]
    [InlineData("""{"type":"string","format":"date","maxLength":3}""", "format", "cannot stand beside")]
    [InlineData("""{"type":"string","pattern":"(?=a)"}""", "pattern", "looks around")]
    [InlineData("""{"type":"text"}""", "type", "must be one of")]
    [InlineData("""{"type":[]}""", "type", "empty")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "$ref", "does not have")]
    [InlineData("""{"$ref":"https://example.com/schema"}""", "$ref", "inside the schema")]
    [InlineData("""{"type":"object","properties":{"a":false}}""", "properties.a", "allows nothing")]
    [InlineData("""{"type":"object","properties":[]}""", "properties", "object")]
    [InlineData("""{"type":"object","required":["a"],"additionalProperties":false}""", "required", "names 'a'")]
    [InlineData("""{"oneOf":[{"type":"object"},{"type":"object"}]}""", "oneOf", "same value")]
    [InlineData("""{"allOf":[{},{}]}""", "allOf", "more than one")]
    [InlineData("""{"anyOf":[{"type":"null"}],"type":"null"}""", "type", "beside 'anyOf'")]
    [InlineData("""{"anyOf":[]}""", "anyOf", "empty")]
    [InlineData("""{"enum":[1],"type":"string"}""", "enum", "no value")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "uniqueItems", "not supported")]
    [InlineData("""{"type":"array","minItems":3,"maxItems":2}""", "minItems", "above")]
    [InlineData("""{"type":"array","minItems":-1}""", "minItems", "whole number")]
    [InlineData("""{"type":"integer","minimum":3,"maximum":2}""", "minimum", "no number")]
    [InlineData("""{"type":"integer","minimum":0.2,"maximum":0.8}""", "minimum", "no number")]
    [InlineData("""{"type":"number","minimum":1e30}""", "minimum", "10^18")]
    [InlineData("""{"type":"integer","multipleOf":7}""", "multipleOf", "power of ten")]
    [InlineData("""{"$ref":"#"}""", "#", "itself")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/a"}]}}}""", "#/$defs/a", "itself")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}}""", "", "without end")]
    [InlineData("""{"type":"string","maxLength":1000000}""", "", "too large")]
    [InlineData("""[]""", "", "no schema")]
    public void What_cannot_be_kept_is_refused_by_its_path(string schema, string path, string cause)
    {
        var refused = Assert.Throws<GrammarException>(() => new TokenConstraint(Read(schema), TestVocabulary.Trie));
        Assert.Equal(path, refused.Path);
        Assert.Contains(cause, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_object_is_one_and_nests_to_a_depth_that_parsers_read()
    {
        var grammar = JsonSchema.AnyObject();
        foreach (string text in (string[])["{}", """{"a":{"b":[1,true,null,"x"]}, "a": -1.5e3}"""])
            Assert.True(TestVocabulary.Accepts(grammar, text), text);
        foreach (string text in (string[])["[]", "1", "", "{", """{"a":}"""])
            Assert.False(TestVocabulary.Accepts(grammar, text), text);
        Assert.False(TestVocabulary.Accepts(grammar, "{\"a\":" + new string('[', 40) + new string(']', 40) + "}"));
    }

    [Fact]
    public void Many_optional_members_stay_small()
    {
        string members = string.Join(',', Enumerable.Range(0, 400).Select(i => $"\"member{i}\":{{\"type\":\"string\",\"description\":\"d\"}}"));
        var constraint = new TokenConstraint(Read($"{{\"type\":\"object\",\"properties\":{{{members}}}}}"), TestVocabulary.Trie);
        Assert.True(constraint.Begin().Follow([.. """{"member7":"x","member399":"y"}"""u8.ToArray().Select(b => (int)b)]));
    }

    private static IEnumerable<string> Texts(string list) => list.Split(" | ").Select(text => text.Trim());
}

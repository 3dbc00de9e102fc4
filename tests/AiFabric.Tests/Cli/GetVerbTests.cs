using System.Text.Json;
using AiFabric.Cli.Cluster;
using AiFabric.Cli.Verbs;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class GetVerbTests
{
    private static readonly JsonElement Models = JsonDocument.Parse(
        """
        {"columnDefinitions": [{"name": "Name"}, {"name": "Ready", "priority": 0}, {"name": "URL", "priority": 1}],
         "rows": [{"cells": ["demo", null, "http://a"], "object": {"metadata": {"name": "demo", "namespace": "team-a"}}}]}
        """).RootElement;

    [Fact]
    public void Lines_of_all_namespaces_begin_with_their_own()
    {
        Assert.Equal(["NAMESPACE NAME READY", "team-a demo "], Lines(Kind(namespaced: true), wide: false, everywhere: true));
        Assert.Equal(["NAME READY URL", "demo  http://a"], Lines(Kind(namespaced: true), wide: true, everywhere: false));
        Assert.Equal(["NAME READY", "demo "], Lines(Kind(namespaced: false), wide: false, everywhere: true));
    }

    private static IEnumerable<string> Lines(KindEntry kind, bool wide, bool everywhere) =>
        GetVerb.Lines(kind, Models, wide, severalKinds: false, everywhere).Select(line => string.Join(' ', line));

    private static KindEntry Kind(bool namespaced) => new("aifabric.io", "v1alpha1", "CoServedModel", "coservedmodels", "coservedmodel", namespaced, [], []);
}

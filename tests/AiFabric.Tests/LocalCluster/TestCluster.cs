using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Hosting;
using AiFabric.LocalCluster.Patches;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace AiFabric.Tests.LocalCluster;

/// <summary>The objects of a cluster in a folder of its own, without HTTP, controllers or a node.</summary>
internal sealed class TestCluster : IDisposable
{
    public const string Widgets = """
        {"metadata":{"name":"widgets.example.io"},"spec":{"group":"example.io","scope":"Namespaced",
         "names":{"plural":"widgets","kind":"Widget","shortNames":["wd"],"categories":["fabric"]},
         "versions":[{"name":"v1alpha1","served":true,"storage":true,
          "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas","labelSelectorPath":".status.selector"}},
          "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"},
           {"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}],
          "schema":{"openAPIV3Schema":{"type":"object","properties":{
           "spec":{"type":"object","required":["size"],"properties":{
            "size":{"type":"integer","minimum":1,"maximum":9},
            "replicas":{"type":"integer","default":1},
            "policy":{"type":"string","enum":["InferenceFirst","WeightedFair"],"default":"InferenceFirst"},
            "name":{"type":"string","pattern":"^[a-z]+$","minLength":2,"maxLength":4},
            "port":{"x-kubernetes-int-or-string":true},
            "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
            "tags":{"type":"array","maxItems":2,"x-kubernetes-list-type":"set","items":{"type":"string"}},
            "parts":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
             "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"count":{"type":"integer"}}}},
            "either":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}]}}},
           "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}
        """;

    private readonly ServiceProvider _services;
    private readonly bool _ownsFolder;

    public TestCluster(string? folder = null, int keepEvents = 5000)
    {
        _ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("aifabric-cluster-").FullName;
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton<TimeProvider>(Clock);
        LocalClusterHost.AddRegistry(services, new() { DataDirectory = Folder, KeepEvents = keepEvents });
        services.AddSingleton<Bootstrap>();
        _services = services.BuildServiceProvider();
        _services.GetRequiredService<Bootstrap>().Prepare();
    }

    public string Folder { get; }

    public FakeTimeProvider Clock { get; } = new(DateTimeOffset.Parse("2030-01-01T00:00:00Z", System.Globalization.CultureInfo.InvariantCulture));

    public ClusterApi Api => _services.GetRequiredService<ClusterApi>();

    public ObjectWriter Writer => _services.GetRequiredService<ObjectWriter>();

    public ObjectStore Store => _services.GetRequiredService<ObjectStore>();

    public TypeRegistry Types => _services.GetRequiredService<TypeRegistry>();

    public ServerSideApply Applier => _services.GetRequiredService<ServerSideApply>();

    public ResourceType Type(string plural, string group = "") => Api.FindType(group, plural)!;

    public ResourceType DefineWidgets()
    {
        Api.Create(Type("customresourcedefinitions", "apiextensions.k8s.io"), null, Json(Widgets));
        return Type("widgets", "example.io");
    }

    public JsonObject Apply(ResourceType type, string name, string config, string manager, bool force = false, string? subresource = null) =>
        Applier.Apply(Types.Require(type), "default", name, Json(config), subresource, force, new() { FieldManager = manager }).Object;

    public static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;

    public static JsonObject Widget(string name, string spec) => Json($$"""{"metadata":{"name":"{{name}}"},"spec":{{spec}}}""");

    public void Dispose()
    {
        _services.Dispose();
        if (_ownsFolder)
            Directory.Delete(Folder, recursive: true);
    }
}

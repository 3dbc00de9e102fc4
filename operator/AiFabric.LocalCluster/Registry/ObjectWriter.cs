using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Patches;
using AiFabric.LocalCluster.Registry.Rules;
using AiFabric.LocalCluster.Schema;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Registry;

/// <summary>
/// Creates and changes objects. Each write holds the store's gate from reading to storing, so a patch never races another write:
/// (1) identity and versions (2) schema (3) the kind's own rules and defaults (4) generation (5) field ownership (6) store, unless
/// nothing changed or it is a dry run.
/// </summary>
internal sealed partial class ObjectWriter(ObjectStore store, TypeRegistry types, ObjectRemover remover, TimeProvider clock)
{
    private const string NameAlphabet = "bcdfghjklmnpqrstvwxz2456789";

    /// <summary>The time in the form of metadata timestamps: whole seconds, UTC.</summary>
    public static string Timestamp(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public JsonObject Create(ResourceType type, string? ns, JsonObject body, WriteOptions options)
    {
        lock (store.Gate)
        {
            var entry = types.Require(type);
            var made = body.Clone();
            CheckKind(entry, made);
            var name = Identify(type, ns, made);
            RequireNamespace(type, ns, name);
            if (store.Find(EventShapes.Stored(type), ns, name) is not null)
                throw ApiException.AlreadyExists(type, name);
            if (made.Text("metadata", "resourceVersion") is { Length: > 0 } version && version != "0")
                throw ApiException.BadRequest("resourceVersion should not be set on objects to be created");
            Stamp(made.Ensure("metadata"));
            SchemaAdmission.Admit(entry, made, options);
            MetadataRules.Check(type, made, null);
            KindRules.BeforeCreate(entry, made, new(store, clock));
            var result = Store(entry, ns, name, made, null, null, options);
            if (!options.DryRun)
                AfterCreate(type, name);
            return result;
        }
    }

    public JsonObject Update(ResourceType type, string? ns, string name, JsonObject body, string? subresource, WriteOptions options) =>
        Change(type, ns, name, _ => RequireVersion(type, name, body), subresource, options);

    /// <summary>Replaces an object by what <paramref name="change"/> makes of a copy of it.</summary>
    public JsonObject Change(
        ResourceType type, string? ns, string name, Func<JsonObject, JsonObject> change, string? subresource, WriteOptions options)
    {
        lock (store.Gate)
        {
            var entry = types.Require(type);
            var stored = store.Find(EventShapes.Stored(type), ns, name) ?? throw ApiException.NotFound(type, name);
            var current = ClusterApi.Materialize(type, stored.Body);
            var wanted = change(current.Clone()).Clone();
            CheckKind(entry, wanted);
            CheckIdentity(type, ns, name, wanted, current);
            var next = Subresources.Combine(current, wanted, entry, subresource);
            KeepSystemFields(current, next);
            SchemaAdmission.Admit(entry, next, options);
            MetadataRules.Check(type, next, current);
            if (subresource is null)
                KindRules.BeforeUpdate(entry, next, current, new(store, clock));
            return Store(entry, ns, name, next, current, subresource, options);
        }
    }

    private JsonObject Store(
        TypeEntry entry, string? ns, string name, JsonObject next, JsonObject? current, string? subresource, WriteOptions options)
    {
        if (current is not null)
            Generations.Bump(entry, next, current);
        if (!options.OwnershipDone)
            ManagedFields.Track(entry, next, current, subresource, options, Timestamp(clock.GetUtcNow()));
        if (current is not null && JsonNode.DeepEquals(next, current))
            return current;
        if (options.DryRun)
            return next;
        if (current is not null && ObjectRemover.IsReleased(entry.Type, next))
            return remover.Remove(entry.Type, ns, name, next);
        var stored = store.Put(EventShapes.Stored(entry.Type), ns, name, EventShapes.ForStorage(entry.Type, next));
        if (entry.Type.Resource == BuiltInTypes.Definitions.Resource)
            ReloadTypes();
        return ClusterApi.Materialize(entry.Type, stored.Body);
    }

    /// <summary>Takes in the CustomResourceDefinitions as they are stored.</summary>
    public void ReloadTypes() => types.Load(
        store.List(BuiltInTypes.Definitions.Resource, null).Items.Select(stored => JsonObject.Create(stored.Body)!));

    private void AfterCreate(ResourceType type, string name)
    {
        if (type.Resource == BuiltInTypes.Namespaces.Resource)
        {
            var account = new JsonObject { ["metadata"] = new JsonObject { ["name"] = "default" } };
            Create(BuiltInTypes.ServiceAccounts, name, account, new());
        }
    }

    /// <summary>Custom resources are not replaced blindly, whatever was stored meanwhile.</summary>
    private JsonObject RequireVersion(ResourceType type, string name, JsonObject body)
    {
        if (types.Require(type).Custom && string.IsNullOrEmpty(body.Text("metadata", "resourceVersion")))
        {
            throw ApiException.Invalid(
                type with { Kind = type.Plural }, name, [new("FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion")]);
        }

        return body;
    }

    private static void CheckKind(TypeEntry entry, JsonObject body)
    {
        var type = entry.Type;
        if (body.Text("kind") is { } kind && kind != type.Kind)
        {
            if (entry.Custom)
            {
                throw ApiException.Invalid(
                    type with { Kind = kind }, body.Text("metadata", "name") ?? "", [new("FieldValueInvalid", $"Invalid value: \"{kind}\": must be {type.Kind}", "kind")]);
            }

            throw ApiException.BadRequest(
                $"the kind in the data ({kind}) does not match the kind of the requested resource ({type.Kind})");
        }

        if (body.Text("apiVersion") is { } version && version != type.ApiVersion)
        {
            throw ApiException.BadRequest(
                $"the API version in the data ({version}) does not match the expected API version ({type.ApiVersion})");
        }

        var rest = body.Where(pair => pair.Key is not ("apiVersion" or "kind")).ToArray();
        body.Clear();
        body["apiVersion"] = type.ApiVersion;
        body["kind"] = type.Kind;
        foreach (var (key, value) in rest)
            body[key] = value;
    }

    private static string Identify(ResourceType type, string? ns, JsonObject made)
    {
        var metadata = made.Ensure("metadata");
        if (metadata.Text("name") is not { Length: > 0 } name)
        {
            var prefix = metadata.Text("generateName") is { Length: > 0 } given
                ? given
                : throw ApiException.Invalid(
                    type, "", [new("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")]);
            name = prefix + string.Concat(Enumerable.Range(0, 5).Select(_ => NameAlphabet[Random.Shared.Next(NameAlphabet.Length)]));
            metadata["name"] = name;
        }

        var pattern = type.Group == "rbac.authorization.k8s.io" ? RbacName() : ObjectName();
        if (name.Length > 253 || !pattern.IsMatch(name))
        {
            throw ApiException.Invalid(type, name, [new("FieldValueInvalid", $"Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must "
                + "consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
                + @"(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')", "metadata.name")]);
        }

        SetNamespace(type, ns, metadata);
        return name;
    }

    private static void SetNamespace(ResourceType type, string? ns, JsonObject metadata)
    {
        if (!type.Namespaced)
        {
            metadata.Remove("namespace");
            return;
        }

        if (metadata.Text("namespace") is { Length: > 0 } given && given != ns)
            throw ApiException.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
        metadata["namespace"] = ns;
    }

    private void RequireNamespace(ResourceType type, string? ns, string name)
    {
        if (!type.Namespaced)
            return;
        var home = store.Find(BuiltInTypes.Namespaces.Resource, null, ns ?? "")
            ?? throw ApiException.NotFound(BuiltInTypes.Namespaces, ns ?? "");
        if (JsonObject.Create(home.Body).Text("metadata", "deletionTimestamp") is not null)
            throw ApiException.Forbidden(type, name, $"unable to create new content in namespace {ns} because it is being terminated");
    }

    private void Stamp(JsonObject metadata)
    {
        foreach (var field in (string[])["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink", "generation"])
            metadata.Remove(field);
        metadata["uid"] = Guid.NewGuid().ToString();
        metadata["creationTimestamp"] = Timestamp(clock.GetUtcNow());
    }

    private static void CheckIdentity(ResourceType type, string? ns, string name, JsonObject wanted, JsonObject current)
    {
        var metadata = wanted.Ensure("metadata");
        SetNamespace(type, ns, metadata);
        if (metadata.Text("name") is { Length: > 0 } given && given != name)
            throw ApiException.BadRequest($"the name of the object ({given}) does not match the name on the URL ({name})");
        metadata["name"] = name;
        if (metadata.Text("uid") is { Length: > 0 } uid && uid != current.Text("metadata", "uid"))
        {
            throw ApiException.Conflict(
                type, name, $"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.Text("metadata", "uid")}");
        }

        if (metadata.Text("resourceVersion") is { Length: > 0 } version && version != "0" && version != current.Text("metadata", "resourceVersion"))
            throw ApiException.StaleVersion(type, name);
    }

    private static void KeepSystemFields(JsonObject current, JsonObject next)
    {
        var metadata = next.Ensure("metadata");
        string[] kept = ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"];
        foreach (var field in kept)
        {
            if (current.Field("metadata", field) is { } value)
                metadata[field] = value.DeepClone();
            else
                metadata.Remove(field);
        }
    }

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
    private static partial Regex ObjectName();

    [GeneratedRegex(@"^[^/%]+$")]
    private static partial Regex RbacName();
}

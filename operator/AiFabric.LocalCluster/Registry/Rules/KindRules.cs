using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>What a kind's rules may look at besides the object.</summary>
internal sealed record RuleContext(ObjectStore Store, TimeProvider Clock);

/// <summary>Defaults and preparations that the API server does for a kind before an object is stored.</summary>
internal static class KindRules
{
    /// <summary>Prepares a new object in place.</summary>
    public static void BeforeCreate(TypeEntry entry, JsonObject made, RuleContext context)
    {
        // A node's status comes with its registration; every other status starts empty.
        if (entry.HasStatus && entry.Type.Resource is not ("nodes" or "persistentvolumes"))
            made.Remove("status");
        Generations.Start(entry, made);
        if (entry.Custom)
            return;
        Defaults.Apply(entry.Type, made);
        switch (entry.Type.Resource)
        {
            case "namespaces":
                NamespaceRules.Prepare(made);
                break;
            case "pods":
                PodRules.CheckNew(entry.Type, made);
                made["status"] = new JsonObject { ["phase"] = "Pending", ["qosClass"] = PodDefaults.QosClass(made) };
                break;
            case "secrets" or "configmaps":
                DataRules.Check(entry.Type, made, null);
                break;
            case "services":
                ServiceRules.Check(entry.Type, made, null);
                ServiceRules.Allocate(made, context.Store);
                made["status"] = new JsonObject { ["loadBalancer"] = new JsonObject() };
                break;
            case "jobs.batch":
                JobRules.Select(made);
                break;
            case "customresourcedefinitions.apiextensions.k8s.io":
                DefinitionRules.Prepare(entry.Type, made, null, context.Clock);
                break;
            default:
                if (entry.HasStatus && made["status"] is null && entry.Type.Group == "apps")
                    made["status"] = new JsonObject();
                break;
        }
    }

    /// <summary>Prepares the next state of an object in place.</summary>
    public static void BeforeUpdate(TypeEntry entry, JsonObject next, JsonObject current, RuleContext context)
    {
        if (entry.Custom)
            return;
        Defaults.Apply(entry.Type, next);
        switch (entry.Type.Resource)
        {
            case "secrets" or "configmaps":
                DataRules.Check(entry.Type, next, current);
                break;
            case "services":
                ServiceRules.Check(entry.Type, next, current);
                ServiceRules.Keep(next, current);
                ServiceRules.Allocate(next, context.Store);
                break;
            case "pods":
                PodRules.CheckUpdate(entry.Type, next, current);
                break;
            case "customresourcedefinitions.apiextensions.k8s.io":
                DefinitionRules.Prepare(entry.Type, next, current, context.Clock);
                break;
            case "deployments.apps" or "replicasets.apps" or "statefulsets.apps" or "daemonsets.apps" or "jobs.batch":
                SelectorRules.CheckUnchanged(entry.Type, next, current);
                break;
        }
    }
}

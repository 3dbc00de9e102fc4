using System.Reflection;
using System.Text.Json.Nodes;
using AiFabric.Crds.Abstractions;

namespace AiFabric.Crds.Schema;

/// <summary>The columns of <c>kubectl get</c>: first those of properties, then those given by JSONPath, in the order of their attributes.</summary>
internal static class PrinterColumns
{
    public static JsonArray Of(Type kind, Type[] specAndStatus)
    {
        var columns = new JsonArray();
        AddOf(specAndStatus[0], ".spec", columns);
        AddOf(specAndStatus[1], ".status", columns);
        foreach (GenericAdditionalPrinterColumnAttribute column in kind.GetCustomAttributes<GenericAdditionalPrinterColumnAttribute>())
            columns.Add(Column(column.JsonPath, column.Name, column.Type, column.Priority));
        return columns;
    }

    private static void AddOf(Type type, string path, JsonArray columns)
    {
        foreach (PropertyInfo property in SchemaBuilder.PropertiesOf(type))
        {
            string here = $"{path}.{SchemaBuilder.NameOf(property)}";
            if (property.GetCustomAttribute<AdditionalPrinterColumnAttribute>() is { } column)
            {
                columns.Add(Column(here, column.Name ?? property.Name, TypeOf(property), column.Priority));
                continue;
            }
            Type inner = property.PropertyType;
            if (inner.IsClass && inner.Assembly == type.Assembly && property.GetCustomAttribute<PreserveUnknownFieldsAttribute>() is null)
                AddOf(inner, here, columns);
        }
    }

    private static JsonObject Column(string jsonPath, string name, string type, int priority)
    {
        var column = new JsonObject { ["jsonPath"] = jsonPath, ["name"] = name };
        if (priority != 0)
            column["priority"] = priority;
        column["type"] = type;
        return column;
    }

    private static string TypeOf(PropertyInfo property)
    {
        Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        return type == typeof(int) || type == typeof(long) ? "integer"
            : type == typeof(bool) ? "boolean"
            : type == typeof(DateTime) || type == typeof(DateTimeOffset) ? "date"
            : "string";
    }
}
